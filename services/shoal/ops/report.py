"""`shoal report`: where the video of a running station came from, in four formats."""

import asyncio
import json
from pathlib import Path

import msgspec
from pydantic import Field, SecretStr

from shoal.config.settings import StationSettings, load
from shoal.config.types import HttpUrl
from shoal.errors import OperatorError
from shoal.ops.client import Target, fetch_inputs
from shoal.ops.console import PipeConsole, write
from shoal.ops.options import ReportOptions
from shoal.ops.report_document import build_document
from shoal.ops.report_html import render_page
from shoal.ops.report_model import ReportModel, build_report
from shoal.ops.report_text import as_markdown, show
from shoal.ops.zone_analytics import API, ZoneAccess


class ReportSettings(StationSettings):
    """Settings of the report that come from the environment."""

    operator_token: SecretStr | None = Field(
        default=None, description="operator's token of a station that is not the local one"
    )
    cloudflare_analytics_token: SecretStr | None = Field(
        default=None, description="reads the zone's analytics at Cloudflare"
    )
    cloudflare_api: HttpUrl = Field(default=API, description="Cloudflare's GraphQL endpoint")


def run(options: ReportOptions) -> None:
    """Print the report on a station; raise OperatorError if that is not possible."""
    target = find_target(options.url, options.data, options.token_file)
    zone = find_zone(options.zone, options.zone_token_file)
    inputs = asyncio.run(fetch_inputs(target, zone))
    report = build_report(inputs)
    if options.html is not None:
        try:
            options.html.write_text(render_page(report, inputs.history))
        except OSError as error:
            raise OperatorError(
                f"cannot write the report to {options.html}: {error.strerror}"
            ) from error
    if options.format == "json":
        write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    elif options.format == "markdown":
        write(as_markdown(build_document(report)))
    elif options.html is None:
        show(build_document(report), PipeConsole())
    else:
        write(f"wrote the report to {options.html}\n")


async def fetch_report(target: Target) -> ReportModel:
    """Return the report of a station."""
    return build_report(await fetch_inputs(target))


def find_target(url: str | None, data: Path, token_file: Path | None) -> Target:
    """Return the station to report on, by default the local one of `data`, with its token.

    Raises OperatorError without a station, or if a token file cannot be read.
    """
    local = _local_gateway(data)
    url = (url or local or "").rstrip("/")
    if not url:
        raise OperatorError(
            f"no station found: {data / 'local.json'} does not exist. Pass the URL of a station, or"
            " start one with `make up`"
        )
    if token_file is not None:
        return Target(url, _read_token(token_file, "the operator's token"))
    if url == local:
        return Target(url, _read_token(data / "secrets" / "operator_token", "the operator's token"))
    token = load(ReportSettings).operator_token
    return Target(url, token.get_secret_value() if token else None)


def find_zone(zone: str | None, token_file: Path | None) -> ZoneAccess | None:
    """Return how to query Cloudflare's analytics; None if no zone is given."""
    if zone is None:
        if token_file is not None:
            raise OperatorError("--zone-token-file needs a zone: pass its ID with --zone")
        return None
    settings = load(ReportSettings)
    if token_file is not None:
        token = _read_token(token_file, "the token for Cloudflare's analytics")
    elif settings.cloudflare_analytics_token is not None:
        token = settings.cloudflare_analytics_token.get_secret_value()
    else:
        raise OperatorError(
            "--zone needs a token that may read the zone's analytics: pass --zone-token-file, or"
            " set SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE"
        )
    return ZoneAccess(zone, token, settings.cloudflare_api)


def _local_gateway(data: Path) -> str | None:
    path = data / "local.json"
    try:
        return str(json.loads(path.read_text())["gateway"]).rstrip("/")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"cannot read {path}: {error!r}. `shoal up` writes it: start the station again, or pass"
            " the URL of a station"
        ) from error


def _read_token(path: Path, what: str) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise OperatorError(f"cannot read {what} from {path}: {error}") from error
    if not token:
        raise OperatorError(
            f"cannot read {what} from {path}: the file is empty; write the token into it"
        )
    return token

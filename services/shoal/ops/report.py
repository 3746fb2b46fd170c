"""`shoal report`: where the video came from, asked of a running station, in four forms."""

import asyncio
import json
from pathlib import Path

import msgspec
from pydantic import Field, SecretStr

from shoal.config.settings import StationSettings, load
from shoal.config.types import HttpUrl
from shoal.errors import OperatorError
from shoal.ops.client import Target, gather
from shoal.ops.console import PipeConsole, write
from shoal.ops.options import ReportQuestion
from shoal.ops.report_document import document
from shoal.ops.report_html import page
from shoal.ops.report_model import Report, report_of
from shoal.ops.report_text import as_markdown, show
from shoal.ops.zone_analytics import API, ZoneAccess


class ReportSettings(StationSettings):
    """What the report may find in the environment."""

    operator_token: SecretStr | None = Field(
        default=None, description="opens the figures of a station that is not the local one"
    )
    cloudflare_analytics_token: SecretStr | None = Field(
        default=None, description="reads the zone's analytics at Cloudflare"
    )
    cloudflare_api: HttpUrl = Field(default=API, description="Cloudflare's GraphQL endpoint")


def run(question: ReportQuestion) -> None:
    """Ask a station and print the report; whatever stands in the way is an OperatorError."""
    target = find_target(question.url, question.data, question.token_file)
    zone = find_zone(question.zone, question.zone_token_file)
    evidence = asyncio.run(gather(target, zone))
    report = report_of(evidence)
    if question.html is not None:
        try:
            question.html.write_text(page(report, evidence.history))
        except OSError as error:
            raise OperatorError(f"cannot write {question.html}: {error.strerror}") from error
    if question.form == "json":
        write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    elif question.form == "markdown":
        write(as_markdown(document(report)))
    elif question.html is None:
        show(document(report), PipeConsole())
    else:
        write(f"{question.html} is written\n")


async def ask(target: Target) -> Report:
    """Return the report of a station."""
    return report_of(await gather(target))


def find_target(url: str | None, data: Path, token_file: Path | None) -> Target:
    """Return the station that is meant, by default the local one of `data`, and its token."""
    local = _local_gateway(data)
    url = (url or local or "").rstrip("/")
    if not url:
        raise OperatorError(
            f"no station: {data / 'local.json'} does not exist."
            " Start one with `make up`, or name its URL"
        )
    if token_file is not None:
        return Target(url, _read(token_file, "the operator's token"))
    if url == local:
        return Target(url, _read(data / "secrets" / "operator_token", "the operator's token"))
    token = load(ReportSettings).operator_token
    return Target(url, token.get_secret_value() if token else None)


def find_zone(zone: str | None, token_file: Path | None) -> ZoneAccess | None:
    """Return how to ask Cloudflare, None where that is not wanted."""
    if zone is None:
        if token_file is not None:
            raise OperatorError("--zone-token-file is for a zone: name its id with --zone")
        return None
    settings = load(ReportSettings)
    if token_file is not None:
        token = _read(token_file, "the token for Cloudflare's analytics")
    elif settings.cloudflare_analytics_token is not None:
        token = settings.cloudflare_analytics_token.get_secret_value()
    else:
        raise OperatorError(
            "--zone needs a token that reads the zone's analytics: name --zone-token-file, or set"
            " SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE"
        )
    return ZoneAccess(zone, token, settings.cloudflare_api)


def _local_gateway(data: Path) -> str | None:
    path = data / "local.json"
    try:
        return str(json.loads(path.read_text())["gateway"]).rstrip("/")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(f"cannot read {path}: {error}") from error


def _read(path: Path, what: str) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise OperatorError(f"cannot read {what} {path}: {error}") from error
    if not token:
        raise OperatorError(f"{what} {path} is empty: write the token into it")
    return token

"""`shoal report`: where the video came from, asked of a running station."""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
from pydantic import Field, SecretStr
from rich.console import Console
from rich.table import Table

from shoal.errors import OperatorError
from shoal.ops.figures import Report, VideoBytes, operator_report, public_report
from shoal.ops.remarks import percent, remarks, size
from shoal.settings import StationSettings, load
from shoal.station import HistoryColumns, OperatorStation, PublicStation

TIMEOUT_S = 10.0

SHARE_DEFINITION = "peers / (peers + store + seed), bytes of viewers' start-up apart"


class ReportSettings(StationSettings):
    """What the report may find in the environment."""

    operator_token: SecretStr | None = Field(
        default=None, description="opens the figures of a station that is not the local one"
    )


@dataclass(frozen=True)
class Target:
    """The station to ask."""

    url: str
    token: str | None


def run(url: str | None, data: Path, token_file: Path | None, *, as_json: bool) -> None:
    """Ask a station and print the report; whatever stands in the way is an OperatorError."""
    target = find_target(url, data, token_file)
    report = asyncio.run(ask(target))
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    else:
        show(report, Console())


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
        return Target(url, _read(token_file))
    if url == local:
        return Target(url, _read(data / "secrets" / "operator_token"))
    token = load(ReportSettings).operator_token
    return Target(url, token.get_secret_value() if token else None)


async def ask(target: Target) -> Report:
    """Return the report of a station."""
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    url = f"{target.url}/api/station"
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        status, body = await _get(session, url)
        if status == 401:
            raise OperatorError(f"{url} refuses the operator's token: name the right --token-file")
        if status != 200:
            raise OperatorError(f"{url} answered {status}: look at the site's log")
        past = await _get(session, f"{target.url}/api/history") if target.token else None
    at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if past is None:
            return public_report(target.url, at, msgspec.json.decode(body, type=PublicStation))
        station = msgspec.json.decode(body, type=OperatorStation)
        status, rows = past
        # without signaling there is no history; that it does not answer is among the remarks
        history = msgspec.json.decode(rows, type=HistoryColumns) if status == 200 else None
        return operator_report(target.url, at, station, history)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{url} runs another version of Shoal: {error}") from error


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    """Return the status and body of an answer of a station's site."""
    try:
        async with session.get(url) as response:
            status, who = response.status, response.headers.get("X-Shoal")
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OperatorError(
            f"{url} does not answer ({error or type(error).__name__}): is the station up?"
        ) from error
    if who != "site":
        raise OperatorError(
            f"{url} is not a Shoal station: status {status}, X-Shoal: {who or 'missing'}"
        )
    return status, body


def show(report: Report, console: Console) -> None:
    """Print a report for people."""
    on_air = {True: "live", False: "offline", None: "unknown whether live"}[report.live]
    console.print(f"{report.url}  {on_air}, {_known(report.viewers)} viewers, {report.at}")
    if report.bytes is not None:
        console.print(_table(report, report.bytes))
    console.print(f"share of peers: {percent(report.share)} = {SHARE_DEFINITION}")
    for line in remarks(report):
        console.print(line)


def _table(report: Report, received: VideoBytes) -> Table:
    startup, store = report.startup, report.store_counter
    rows = (
        ("EC2", received.ec2_video, None, received.ec2_video),
        ("R2 (store)", received.store, startup and startup.store, store and store.bytes),
        ("peers", received.p2p, startup and startup.p2p, None),
        ("torrent seed", received.seed, startup and startup.seed, None),
    )
    total = sum(amount for _, amount, _, _ in rows if amount is not None)
    table = Table("video through", title="Video to viewers, since the services started")
    for column in ("bytes", "per cent", "of it start-up", "sender's counter"):
        table.add_column(column, justify="right")
    for label, amount, start, counted in rows:
        part = amount / total if amount is not None and total else None
        table.add_row(
            label,
            size(amount),
            percent(part),
            "" if start is None else size(start),
            "" if counted is None else size(counted),
        )
    return table


def _local_gateway(data: Path) -> str | None:
    path = data / "local.json"
    try:
        return str(json.loads(path.read_text())["gateway"]).rstrip("/")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(f"cannot read {path}: {error}") from error


def _read(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise OperatorError(f"cannot read the operator's token {path}: {error}") from error
    if not token:
        raise OperatorError(f"the operator's token {path} is empty: write the token into it")
    return token


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)

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
from rich.filesize import decimal
from rich.table import Table

from shoal.errors import OperatorError
from shoal.settings import StationSettings, load
from shoal.station import BytesBySource, OperatorStation, PublicStation

TIMEOUT_S = 10.0

SHARE_DEFINITION = "peers / (peers + store + seed), bytes of viewers' start-up apart"


class ReportSettings(StationSettings):
    """What the report may find in the environment."""

    operator_token: SecretStr | None = Field(
        default=None, description="opens the figures of a station that is not the local one"
    )


class VideoBytes(msgspec.Struct, frozen=True):
    """Bytes of video to viewers, by what they came through; null: cannot be known."""

    ec2_video: int | None
    store: int | None
    p2p: int | None
    seed: int | None


class Ec2Counts(msgspec.Struct, frozen=True):
    """Video in responses of the EC2 host, by who counted; null: nobody could."""

    services: int | None
    gateway: int | None
    agree: bool | None
    """null unless both counted"""


class ServiceStatus(msgspec.Struct, frozen=True):
    """What a service's health says first."""

    status: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `shoal report --json` prints; null: cannot be known, or not without the token."""

    url: str
    at: str
    """ISO 8601, UTC"""
    live: bool | None
    viewers: int | None
    share: float | None
    """peers' part, 0 to 1, start-up apart"""
    bytes: VideoBytes | None
    ec2_video: Ec2Counts | None
    startup: BytesBySource | None
    uploaded: int | None
    stalls: int | None
    latency_s: float | None
    chunks: int | None
    rooms: int | None
    services: dict[str, ServiceStatus] | None


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
    url = f"{target.url}/api/station"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
            session.get(url, headers=headers) as response,
        ):
            status, who, body = (
                response.status,
                response.headers.get("X-Shoal"),
                await response.read(),
            )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OperatorError(
            f"{url} does not answer ({error or type(error).__name__}): is the station up?"
        ) from error
    if who != "site":
        raise OperatorError(
            f"{url} is not a Shoal station: status {status}, X-Shoal: {who or 'missing'}"
        )
    if status == 401:
        raise OperatorError(f"{url} refuses the operator's token: name the right --token-file")
    if status != 200:
        raise OperatorError(f"{url} answered {status}: look at the site's log")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if target.token is None:
            return public_report(target.url, at, msgspec.json.decode(body, type=PublicStation))
        return operator_report(target.url, at, msgspec.json.decode(body, type=OperatorStation))
    except msgspec.DecodeError as error:
        raise OperatorError(f"{url} runs another version of Shoal: {error}") from error


def public_report(url: str, at: str, station: PublicStation) -> Report:
    """Return what can be told without the operator's token."""
    return Report(
        url=url,
        at=at,
        live=station.live,
        viewers=station.viewers,
        share=station.share,
        bytes=None,
        ec2_video=None,
        startup=None,
        uploaded=None,
        stalls=None,
        latency_s=None,
        chunks=None,
        rooms=None,
        services=None,
    )


def operator_report(url: str, at: str, station: OperatorStation) -> Report:
    """Return everything; of two counts of EC2's video the larger one stands."""
    services, gateway = station.ec2_video.services, station.ec2_video.gateway
    counts = [count for count in (services, gateway) if count is not None]
    received = station.bytes
    return Report(
        url=url,
        at=at,
        live=station.live,
        viewers=station.viewers,
        share=station.share,
        bytes=VideoBytes(
            ec2_video=max(counts, default=None),
            store=received.store if received else None,
            p2p=received.p2p if received else None,
            seed=received.seed if received else None,
        ),
        ec2_video=Ec2Counts(
            services=services,
            gateway=gateway,
            agree=services == gateway if len(counts) == 2 else None,
        ),
        startup=station.startup,
        uploaded=station.uploaded,
        stalls=station.stalls,
        latency_s=station.latency_s,
        chunks=station.chunks,
        rooms=station.rooms,
        services={
            name: msgspec.json.decode(health, type=ServiceStatus)
            for name, health in station.services.items()
        },
    )


def show(report: Report, console: Console) -> None:
    """Print a report for people."""
    on_air = {True: "live", False: "offline", None: "unknown whether live"}[report.live]
    console.print(f"{report.url}  {on_air}, {_known(report.viewers)} viewers, {report.at}")
    if report.bytes is not None:
        console.print(_table(report.bytes, report.startup))
    console.print(f"share of peers: {_percent(report.share)} = {SHARE_DEFINITION}")
    for line in remarks(report):
        console.print(line)


def remarks(report: Report) -> list[str]:
    """Return what the reader must know beside the table, a line each."""
    if report.bytes is None or report.ec2_video is None:
        return [
            "Without the operator's token it cannot be known how many bytes came through EC2,"
            " from the store, peers and the seed: name --token-file"
        ]
    counts = report.ec2_video
    lines = [
        f"{report.stalls} stalls, {_seconds(report.latency_s)} behind live (median),"
        f" {_size(report.uploaded)} uploaded by viewers, {report.chunks} segments"
        if report.chunks is not None
        else "signaling does not answer: what viewers received cannot be known",
        f"EC2 counted by its services: {_size(counts.services)}, by the gateway:"
        f" {_size(counts.gateway)}",
    ]
    if counts.agree is False:
        lines.append(
            "WARNING: the two counts of EC2 differ: video passes the gateway that no service of"
            " ours sends, or the other way round; the larger one stands in the table"
        )
    if counts.services is None:
        lines.append("WARNING: a service does not answer, so its video through EC2 is not counted")
    if report.bytes.ec2_video:
        lines.append("WARNING: video goes through EC2; it should be 0")
    lines += [
        f"WARNING: {name} is {service.status}"
        for name, service in (report.services or {}).items()
        if service.status != "ok"
    ]
    return lines


def _table(received: VideoBytes, startup: BytesBySource | None) -> Table:
    rows = (
        ("EC2", received.ec2_video, None),
        ("R2 (store)", received.store, startup and startup.store),
        ("peers", received.p2p, startup and startup.p2p),
        ("torrent seed", received.seed, startup and startup.seed),
    )
    total = sum(amount for _, amount, _ in rows if amount is not None)
    table = Table("video through", title="Video to viewers, since the services started")
    table.add_column("bytes", justify="right")
    table.add_column("per cent", justify="right")
    table.add_column("of it start-up", justify="right")
    for label, amount, start in rows:
        part = amount / total if amount is not None and total else None
        table.add_row(label, _size(amount), _percent(part), "" if start is None else _size(start))
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


def _size(value: int | None) -> str:
    return "unknown" if value is None else decimal(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"

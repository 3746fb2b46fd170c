"""`shoal doctor`: checks a station from outside, and on its host from inside too."""

import asyncio
import logging
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table
from yarl import URL

from shoal.errors import OperatorError
from shoal.ops.console import PipeConsole, write
from shoal.ops.doctor import (
    dns_tls_checks,
    host_checks,
    owncast,
    page,
    routing,
    services,
    signaling,
    store,
    video,
)
from shoal.ops.doctor.check import Diagnosis, run_all
from shoal.ops.doctor.host_discovery import StationHost, find_host
from shoal.ops.doctor.probe_context import ProbeContext

GROUPS = (
    dns_tls_checks,
    routing,
    video,
    store,
    page,
    signaling,
    services,
    host_checks,
    owncast,
)
CHECKS = tuple(check for group in GROUPS for check in group.CHECKS)
STYLES = {"ok": "green", "broken": "bold red", "warning": "yellow", "skipped": "dim"}


def run(url: str | None, data: Path, *, as_json: bool) -> int:
    """Check a station and print the diagnosis; return the exit status, 1 when anything is broken.

    Raises OperatorError when there is no station to check.
    """
    named = None if url is None else origin_of(url)
    host = find_host(named, data)
    station = named or (host and host.url)
    if station is None:
        raise OperatorError(
            f"no station found: {data / 'local.json'} does not exist, and this is not the host of"
            " a station (or you are not root). Pass the station's URL, or start one with `make up`"
        )
    for chatty in ("aioice", "aiortc"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    diagnosis = asyncio.run(diagnose(station, host))
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode()
        write(text + "\n")
    else:
        show(diagnosis, PipeConsole())
    return 1 if diagnosis.broken else 0


def origin_of(text: str) -> str:
    """Return the origin of a URL or a bare hostname, without a trailing slash.

    Raises OperatorError for anything else.
    """
    try:
        url = URL(text if "://" in text else f"https://{text}")
        if url.scheme in ("http", "https") and url.host:
            return str(url.origin())
    except ValueError:
        pass
    raise OperatorError(
        f"{text!r} is not the URL of a station: write it like https://tv.example.org"
    )


async def diagnose(url: str, host: StationHost | None) -> Diagnosis:
    """Run all checks of the station at `url`; `host` is None unless this is its host."""
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"User-Agent": "shoal-doctor", "Accept": "*/*"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        context = ProbeContext(url, session, host)
        try:
            return Diagnosis(url, await run_all(CHECKS, context))
        finally:
            context.close()


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print a diagnosis for people: all checks, then what is wrong and what to do."""
    table = Table("check", "state", "observed", title=diagnosis.url, title_justify="left")
    for check in diagnosis.checks:
        style = STYLES[check.state]
        table.add_row(check.name, f"[{style}]{check.state}[/]", _escape_markup(check.saw))
    console.print(table)
    for check in diagnosis.checks:
        if check.fix:
            style = STYLES[check.state]
            console.print(f"\n[{style}]{check.state}: {check.name}[/]: {_escape_markup(check.saw)}")
            console.print(f"  why it matters: {check.why}", markup=False)
            console.print(f"  what to do: {check.fix}", markup=False)
    counts = {state: sum(c.state == state for c in diagnosis.checks) for state in STYLES}
    console.print(
        f"\n{len(diagnosis.checks)} checks: "
        + ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    )


def _escape_markup(text: str) -> str:
    return text.replace("[", r"\[")

"""Asks a running station, and Cloudflare, for everything that a report is made of."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from shoal.api_types import CounterHistory, HistoryColumns, OperatorStation, PublicStation
from shoal.errors import OperatorError
from shoal.ops.report_model import Evidence, ZoneCount
from shoal.ops.time_windows import windows
from shoal.ops.zone_analytics import ZoneAccess, edge_sent
from shoal.segments import Descriptor

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Target:
    """The station to ask."""

    url: str
    token: str | None


class _Segments(msgspec.Struct):
    segments: list[Descriptor]


class _Published(msgspec.Struct):
    """The part of `/live/segments.json` that matters here."""

    variants: dict[str, _Segments]


T = TypeVar("T")


async def gather(target: Target, zone: ZoneAccess | None = None) -> Evidence:
    """Ask for everything; raises OperatorError where there is no station, or not this token."""
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    url = f"{target.url}/api/station"
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        status, body = await _get(session, url)
        if status == 401:
            raise OperatorError(f"{url} refuses the operator's token: name the right --token-file")
        if status != 200:
            raise OperatorError(f"{url} answered {status}: look at the site's log")
        segments = await _segments(session, target.url)
        past = counted = None
        if target.token:
            past, counted = await asyncio.gather(
                _get(session, f"{target.url}/api/history"),
                _get(session, f"{target.url}/api/counters"),
            )
    now = datetime.now(UTC)
    try:
        # without signaling there is no history; that it does not answer is among the remarks
        history = _decoded(past, HistoryColumns)
        counters = _decoded(counted, CounterHistory)
        kind = OperatorStation if target.token else PublicStation
        station = msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{url} runs another version of Shoal: {error}") from error
    return Evidence(
        url=target.url,
        at=now.isoformat(timespec="seconds"),
        station=station,
        history=history,
        counters=counters,
        segments=segments,
        zone=None if zone is None else await _edge(zone, segments, history, now),
    )


async def _edge(
    zone: ZoneAccess, segments: list[Descriptor], history: HistoryColumns | None, now: datetime
) -> ZoneCount | str:
    """Ask for the time that viewers' figures are of: the two are compared."""
    host = URL(segments[-1].url).host if segments else None
    if host is None:
        return "nothing is published, so the media hostname is not known"
    day = windows(history, None).get("day") if history else None
    if day is None:
        return "signaling has no figures yet to compare it with"
    return await edge_sent(zone, host, datetime.fromisoformat(day.since), now)


async def _segments(session: aiohttp.ClientSession, url: str) -> list[Descriptor]:
    """Return the first rendition's segments; none while nothing is published."""
    try:
        async with session.get(f"{url}/live/segments.json") as response:
            if response.status != 200:
                return []
            published = msgspec.json.decode(await response.read(), type=_Published)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return []
    return published.variants["0"].segments if "0" in published.variants else []


def _decoded(answer: tuple[int, bytes] | None, kind: type[T]) -> T | None:
    if answer is None or answer[0] != 200:
        return None
    return msgspec.json.decode(answer[1], type=kind)


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

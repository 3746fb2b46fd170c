"""Fetches everything that a report is made of, from a running station and from Cloudflare."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

from shoal.api_types import CounterHistory, HistoryColumns, OperatorStation, PublicStation
from shoal.errors import OperatorError
from shoal.ops.report_model import ReportInputs, ZoneCount
from shoal.ops.time_windows import build_windows
from shoal.ops.zone_analytics import ZoneAccess, fetch_edge_bytes
from shoal.segments import Descriptor

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Target:
    """The station to report on."""

    url: str
    token: str | None
    """the operator's token; None: only what is public"""


class _VariantSegments(msgspec.Struct):
    segments: list[Descriptor]


class _SegmentList(msgspec.Struct):
    """The part of `/live/segments.json` that matters here."""

    variants: dict[str, _VariantSegments]


T = TypeVar("T")


async def fetch_inputs(target: Target, zone: ZoneAccess | None = None) -> ReportInputs:
    """Return the inputs of a report; `zone` adds those of Cloudflare's edge.

    Raises OperatorError if there is no station at the URL, or if it refuses the token.
    """
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    url = f"{target.url}/api/station"
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        status, body = await _get(session, url)
        if status == 401:
            raise OperatorError(
                f"{url} refuses the operator's token: pass the file with this station's token as"
                " --token-file"
            )
        if status != 200:
            raise OperatorError(f"{url} answered {status}: read the reason in the site's log")
        segments = await _fetch_segments(session, target.url)
        history_response = counters_response = None
        if target.token:
            history_response, counters_response = await asyncio.gather(
                _get(session, f"{target.url}/api/history"),
                _get(session, f"{target.url}/api/counters"),
            )
    now = datetime.now(UTC)
    try:
        # without signaling there is no history; the findings say that it does not answer
        history = _decode(history_response, HistoryColumns)
        counters = _decode(counters_response, CounterHistory)
        kind = OperatorStation if target.token else PublicStation
        station = msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise OperatorError(
            f"cannot parse the response of {url}: {error}. The station runs another version of"
            " Shoal: use the `shoal` of that version"
        ) from error
    return ReportInputs(
        url=target.url,
        at=now.isoformat(timespec="seconds"),
        station=station,
        history=history,
        counters=counters,
        segments=segments,
        zone=None if zone is None else await _fetch_zone(zone, segments, history, now),
    )


async def _fetch_zone(
    zone: ZoneAccess, segments: list[Descriptor], history: HistoryColumns | None, now: datetime
) -> ZoneCount | str:
    """Return the edge's count, or why there is none.

    It is for the same time as the viewers' reports, so that the two can be compared.
    """
    host = URL(segments[-1].url).host if segments else None
    if host is None:
        return "nothing is published, so the media hostname is not known"
    day = build_windows(history, None).get("day") if history else None
    if day is None:
        return "signaling has no statistics yet to compare it with"
    return await fetch_edge_bytes(zone, host, datetime.fromisoformat(day.since), now)


async def _fetch_segments(session: aiohttp.ClientSession, url: str) -> list[Descriptor]:
    """Return the segments of the first variant; none while nothing is published."""
    try:
        async with session.get(f"{url}/live/segments.json") as response:
            if response.status != 200:
                return []
            published = msgspec.json.decode(await response.read(), type=_SegmentList)
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return []
    return published.variants["0"].segments if "0" in published.variants else []


def _decode(response: tuple[int, bytes] | None, kind: type[T]) -> T | None:
    if response is None or response[0] != 200:
        return None
    return msgspec.json.decode(response[1], type=kind)


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    """Return the status and body of a response from a station's site."""
    try:
        async with session.get(url) as response:
            status, service = response.status, response.headers.get("X-Shoal")
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OperatorError(
            f"{url} does not answer ({error or type(error).__name__}): check the URL, and whether"
            " the station is running"
        ) from error
    if service != "site":
        raise OperatorError(
            f"{url} is not a Shoal station: status {status}, X-Shoal: {service or 'missing'}. Check"
            " the URL; `shoal doctor` checks the routes behind it"
        )
    return status, body

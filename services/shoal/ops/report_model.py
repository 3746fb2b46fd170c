"""The report's figures: what a station says, and what its counters make of it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shoal.api_types import (
    MIN_SHARE_BYTES,
    BytesBySource,
    CounterHistory,
    CountingSince,
    HistoryColumns,
    OperatorStation,
    PublicStation,
    ReplayTotals,
    share,
    share_limit,
)
from shoal.ops.report_cost import ReportCost, report_cost
from shoal.ops.service_status import ServiceStatus, service_statuses
from shoal.ops.time_windows import VideoBytes, Window, grown, iso, windows
from shoal.segments import Descriptor

SERVICES_TOLERANCE = 0.01
SERVICES_TOLERANCE_BYTES = 256 * 1024
"""a response that is broken off was written to the gateway, and not all of it read there"""
STORE_TOLERANCE = 0.1
STORE_TOLERANCE_BYTES = 10_000_000
"""viewers' figures come every 10 s"""
HOST_TOLERANCE = 0.25
HOST_TOLERANCE_BYTES = 50_000_000
HOST_TOLERANCE_PER_VIEWER_HOUR = 20_000_000
"""headers, ssh, what the system itself sends; and rosters and descriptors to viewers"""
SAME_TIME_S = 60.0
"""counters that began within this time of each other count the same"""
LOW_SHARE = 0.5
"""of what peers could carry"""


class Ec2Counts(msgspec.Struct, frozen=True):
    """Video in responses of the EC2 host, by who counted; null: nobody could."""

    services: int | None
    gateway: int | None
    agree: bool | None
    """but for a small tolerance; null unless both counted"""


class StoreCounter(msgspec.Struct, frozen=True):
    """What the store itself counted, beside `bytes.store`, which is what viewers say."""

    bytes: int
    agree: bool | None
    """but for a tolerance; null where the two did not begin at the same time"""


class ZoneCount(msgspec.Struct, frozen=True, kw_only=True):
    """What Cloudflare's edge counted for the media hostname."""

    host: str
    since: str
    """ISO 8601, UTC; up to the report's time"""
    bytes: int
    requests: int
    sampled: bool
    """whether Cloudflare extrapolated from a sample"""
    viewers_say: int | None = None
    """what viewers say that they received from the store meanwhile"""
    agree: bool | None = None


class HostCount(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel of the EC2 host sent to the internet, and what of it is accounted for."""

    since: str
    """ISO 8601, UTC; up to the report's time"""
    bytes: int
    accounted: int | None
    """by our services: the upload to the store, their responses, the torrent seed"""
    agree: bool | None
    """whether the host sent no more than that, but for a tolerance; null where it sent so much less
    that the services' traffic takes another way, as on one's own machine"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `shoal report --json` prints; null: cannot be known, or not without the token."""

    url: str
    at: str
    """ISO 8601, UTC"""
    live: bool | None
    viewers: int | None
    share: float | None
    """peers' part, 0 to 1, start-up apart"""
    peers: int | None = None
    """viewers with at least one open link"""
    not_sharing: int | None = None
    """viewers that cannot share, or may not"""
    recent_share: float | None = None
    """`share` of the last minutes with somebody to share with; null over too few bytes"""
    share_limit: float | None = None
    """what `share` can be with these viewers: (N-1)/N"""
    bytes: VideoBytes | None = None
    """since the services started"""
    windows: dict[str, Window] | None = None
    """`now` (the last 5 minutes), `hour` and `day`; none until signaling has been up for 10 s"""
    ec2_video: Ec2Counts | None = None
    store_counter: StoreCounter | None = None
    """null where the store has no counter"""
    zone: ZoneCount | None = None
    """null without a token for Cloudflare's analytics"""
    host: HostCount | None = None
    """null where the host does not lead to the internet"""
    since: CountingSince | None = None
    startup: BytesBySource | None = None
    uploaded: int | None = None
    stalls: int | None = None
    latency_s: float | None = None
    chunks: int | None = None
    rooms: int | None = None
    replays: ReplayTotals | None = None
    """who watches replays is in none of the figures above, but in what the store counts"""
    services: dict[str, ServiceStatus] | None = None
    cost: ReportCost
    unknown: tuple[str, ...] = ()
    """what cannot be known, and why"""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was asked for a report; None: there is no answer."""

    url: str
    at: str
    """ISO 8601, UTC"""
    station: OperatorStation | PublicStation
    history: HistoryColumns | None = None
    counters: CounterHistory | None = None
    segments: Sequence[Descriptor] = ()
    """of the first rendition, as far as they are published"""
    zone: ZoneCount | str | None = None
    """or why there is none"""


def report_of(evidence: Evidence) -> Report:
    """Return what the evidence amounts to."""
    if isinstance(evidence.station, OperatorStation):
        return _operator_report(evidence, evidence.station)
    station = evidence.station
    return Report(
        url=evidence.url,
        at=evidence.at,
        live=station.live,
        viewers=station.viewers,
        share=station.share,
        cost=report_cost(None, evidence.segments, station.share),
        unknown=(
            "Without the operator's token it cannot be known how many bytes came through EC2, from"
            " the store, peers and the seed, nor what the services say of themselves: name"
            " --token-file",
        ),
    )


def _operator_report(evidence: Evidence, station: OperatorStation) -> Report:
    """Return everything; of two counts of EC2's video the larger one stands."""
    services, gateway = station.ec2_video.services, station.ec2_video.gateway
    counts = [count for count in (services, gateway) if count is not None]
    received, history = station.bytes, evidence.history
    lately = windows(history, evidence.counters) if history else {}
    day = lately.get("day")
    return Report(
        url=evidence.url,
        at=evidence.at,
        live=station.live,
        viewers=station.viewers,
        peers=station.peers,
        not_sharing=station.not_sharing,
        share=station.share,
        recent_share=_recent_share(station.recent),
        share_limit=_share_limit(station.viewers, station.not_sharing),
        bytes=VideoBytes(
            ec2_video=max(counts, default=None),
            store=received.store if received else None,
            p2p=received.p2p if received else None,
            seed=received.seed if received else None,
        ),
        windows=lately or None,
        ec2_video=Ec2Counts(
            services=services,
            gateway=gateway,
            agree=_close(services, gateway, SERVICES_TOLERANCE, SERVICES_TOLERANCE_BYTES),
        ),
        store_counter=_store_counter(station),
        zone=_zone(evidence.zone, day) if isinstance(evidence.zone, ZoneCount) else None,
        host=_host(evidence.counters, day),
        since=station.since,
        startup=station.startup,
        uploaded=station.uploaded,
        stalls=station.stalls,
        latency_s=station.latency_s,
        chunks=station.chunks,
        rooms=station.rooms,
        replays=station.replays,
        services=service_statuses(station.services, evidence.counters, evidence.at),
        cost=report_cost(station.cost, evidence.segments, day.share if day else station.share),
        unknown=tuple(_unknown(evidence, station)),
    )


def _unknown(evidence: Evidence, station: OperatorStation) -> list[str]:
    lines: list[str] = []
    if isinstance(evidence.zone, str):
        lines.append(f"what the edge sent: {evidence.zone}")
    elif evidence.zone is None and station.store_sent is None:
        lines.append(
            "what the edge sent, who counts beside viewers: name --zone and --zone-token-file for"
            " Cloudflare's analytics"
        )
    if evidence.history is None or not evidence.history.at:
        lines.append("what was before now: signaling has no row yet, or does not answer")
    if evidence.counters is None:
        lines.append("requests, uptimes and EC2's video over time: the site has no counters yet")
    elif evidence.counters.rows[-1].interfaces_sent is None:
        lines.append("what the host sends in all: no interface of it leads to the internet")
    return lines


def _recent_share(recent: BytesBySource | None) -> float | None:
    if recent is None or recent.total < MIN_SHARE_BYTES:
        return None
    return share(recent, BytesBySource())


def _share_limit(viewers: int | None, not_sharing: int | None) -> float | None:
    return None if viewers is None or not_sharing is None else share_limit(viewers, not_sharing)


def _store_counter(station: OperatorStation) -> StoreCounter | None:
    if station.store_sent is None:
        return None
    agree = None
    if station.bytes is not None and _together(station.since.viewers, station.since.store):
        say = station.bytes.store + (station.replays.bytes.store if station.replays else 0)
        agree = _close(station.store_sent, say, STORE_TOLERANCE, STORE_TOLERANCE_BYTES)
    return StoreCounter(station.store_sent, agree)


def _zone(zone: ZoneCount, day: Window | None) -> ZoneCount:
    same = day is not None and day.since == zone.since
    say = (day.bytes.store or 0) + day.replays.store if day and same else None
    agree = _close(zone.bytes, say, STORE_TOLERANCE, STORE_TOLERANCE_BYTES)
    return msgspec.structs.replace(zone, viewers_say=say, agree=agree)


def _host(counters: CounterHistory | None, day: Window | None) -> HostCount | None:
    rows = counters.rows if counters else []
    sent = grown(rows, lambda row: row.interfaces_sent)
    if sent is None:
        return None
    parts = (
        grown(rows, lambda row: row.stored),
        grown(rows, lambda row: row.responses),
        grown(rows, lambda row: row.seeded),
    )
    known = [part for part in parts if part is not None]
    accounted = sum(known) if len(known) == len(parts) else None
    agree = None
    if accounted is not None and sent >= accounted / 2:
        to_viewers = (day.viewer_hours if day else 0) * HOST_TOLERANCE_PER_VIEWER_HOUR
        allowed = max(HOST_TOLERANCE_BYTES, HOST_TOLERANCE * accounted)
        agree = sent - accounted <= allowed + to_viewers
    return HostCount(since=iso(rows[0].at), bytes=sent, accounted=accounted, agree=agree)


def _together(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    return abs(apart.total_seconds()) <= SAME_TIME_S


def _close(one: int | None, other: int | None, part: float, at_least: int) -> bool | None:
    if one is None or other is None:
        return None
    return abs(one - other) <= max(at_least, part * max(one, other))

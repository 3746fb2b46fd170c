"""The report's numbers: what a station reports, and how its independent counters compare."""

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
from shoal.ops.time_windows import VideoBytes, Window, build_windows, growth, iso_time
from shoal.segments import Descriptor

SERVICES_TOLERANCE = 0.01
SERVICES_TOLERANCE_BYTES = 256 * 1024
"""of a response that is cut off, the gateway reads less than the service wrote"""
STORE_TOLERANCE = 0.1
STORE_TOLERANCE_BYTES = 10_000_000
"""viewers report every 10 s"""
HOST_TOLERANCE = 0.25
HOST_TOLERANCE_BYTES = 50_000_000
HOST_TOLERANCE_PER_VIEWER_HOUR = 20_000_000
"""HTTP headers, ssh, the system's own traffic; and rosters and descriptors to viewers"""
SAME_START_S = 60.0
"""counters that started within this time of each other can be compared"""
LOW_SHARE = 0.5
"""as a fraction of what peers could carry"""


class Ec2Counts(msgspec.Struct, frozen=True):
    """Video in responses of the EC2 host, by each of its two counters; null: not counted."""

    services: int | None
    gateway: int | None
    agree: bool | None
    """within a small tolerance; null unless both counted"""


class StoreCounter(msgspec.Struct, frozen=True):
    """What the store itself counted; compare `bytes.store`, which viewers reported."""

    bytes: int
    agree: bool | None
    """within a tolerance; null if the two did not start at the same time"""


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
    """what viewers reported to have received from the store in that time"""
    agree: bool | None = None


class HostCount(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel of the EC2 host sent to the internet, and how much is accounted for."""

    since: str
    """ISO 8601, UTC; up to the report's time"""
    bytes: int
    accounted: int | None
    """by the services: uploads to the store, their responses, the torrent seed"""
    agree: bool | None
    """whether the host sent no more than that, within a tolerance; null if it sent so much less
    that the services' traffic must use another interface, as on a development machine"""


class ReportModel(msgspec.Struct, frozen=True, kw_only=True):
    """What `shoal report --json` prints; null: not known, or not without the operator's token."""

    url: str
    at: str
    """ISO 8601, UTC"""
    live: bool | None
    viewers: int | None
    share: float | None
    """peers' share without start-up, 0 to 1"""
    peers: int | None = None
    """viewers with at least one open link"""
    not_sharing: int | None = None
    """viewers that cannot or may not share"""
    recent_share: float | None = None
    """`share` of the last minutes with anyone to share with; null over too few bytes"""
    share_limit: float | None = None
    """the most that `share` can be with these viewers: (N-1)/N"""
    bytes: VideoBytes | None = None
    """since the services started"""
    windows: dict[str, Window] | None = None
    """`now` (the last 5 minutes), `hour` and `day`; null until signaling has been up for 10 s"""
    ec2_video: Ec2Counts | None = None
    store_counter: StoreCounter | None = None
    """null if the store has no counter"""
    zone: ZoneCount | None = None
    """null without a token for Cloudflare's analytics"""
    host: HostCount | None = None
    """null if no interface of the host leads to the internet"""
    since: CountingSince | None = None
    startup: BytesBySource | None = None
    uploaded: int | None = None
    stalls: int | None = None
    latency_s: float | None = None
    chunks: int | None = None
    rooms: int | None = None
    replays: ReplayTotals | None = None
    """viewers of replays: none of the numbers above include them, but the store's counter does"""
    services: dict[str, ServiceStatus] | None = None
    cost: ReportCost
    unknown: tuple[str, ...] = ()
    """what is not known, and why"""


class ReportInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was fetched for a report; None: no answer."""

    url: str
    at: str
    """ISO 8601, UTC"""
    station: OperatorStation | PublicStation
    history: HistoryColumns | None = None
    counters: CounterHistory | None = None
    segments: Sequence[Descriptor] = ()
    """published segments of the first variant"""
    zone: ZoneCount | str | None = None
    """or why it is not known"""


def build_report(inputs: ReportInputs) -> ReportModel:
    """Return the report of what was fetched."""
    if isinstance(inputs.station, OperatorStation):
        return _operator_report(inputs, inputs.station)
    station = inputs.station
    return ReportModel(
        url=inputs.url,
        at=inputs.at,
        live=station.live,
        viewers=station.viewers,
        share=station.share,
        cost=report_cost(None, inputs.segments, station.share),
        unknown=(
            "how many bytes came through EC2, from the store, peers and the seed, and what the"
            " services report: this needs the operator's token, pass it with --token-file",
        ),
    )


def _operator_report(inputs: ReportInputs, station: OperatorStation) -> ReportModel:
    """Return a full report; of the two counts of EC2's video it takes the larger."""
    services, gateway = station.ec2_video.services, station.ec2_video.gateway
    counts = [count for count in (services, gateway) if count is not None]
    received, history = station.bytes, inputs.history
    recent_windows = build_windows(history, inputs.counters) if history else {}
    day = recent_windows.get("day")
    return ReportModel(
        url=inputs.url,
        at=inputs.at,
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
        windows=recent_windows or None,
        ec2_video=Ec2Counts(
            services=services,
            gateway=gateway,
            agree=_agree(services, gateway, SERVICES_TOLERANCE, SERVICES_TOLERANCE_BYTES),
        ),
        store_counter=_store_counter(station),
        zone=_zone(inputs.zone, day) if isinstance(inputs.zone, ZoneCount) else None,
        host=_host(inputs.counters, day),
        since=station.since,
        startup=station.startup,
        uploaded=station.uploaded,
        stalls=station.stalls,
        latency_s=station.latency_s,
        chunks=station.chunks,
        rooms=station.rooms,
        replays=station.replays,
        services=service_statuses(station.services, inputs.counters, inputs.at),
        cost=report_cost(station.cost, inputs.segments, day.share if day else station.share),
        unknown=tuple(_unknown(inputs, station)),
    )


def _unknown(inputs: ReportInputs, station: OperatorStation) -> list[str]:
    lines: list[str] = []
    if isinstance(inputs.zone, str):
        lines.append(f"what the edge sent: {inputs.zone}")
    elif inputs.zone is None and station.store_sent is None:
        lines.append(
            "what the edge sent, a count to compare with the viewers': pass --zone and"
            " --zone-token-file to query Cloudflare's analytics"
        )
    if inputs.history is None or not inputs.history.at:
        lines.append("anything before now: signaling has recorded nothing yet, or does not answer")
    if inputs.counters is None:
        lines.append(
            "requests, uptimes and EC2's video over time: the site has recorded no counters yet"
        )
    elif inputs.counters.rows[-1].interfaces_sent is None:
        lines.append("what the host sends in total: none of its interfaces leads to the internet")
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
    if station.bytes is not None and _same_start(station.since.viewers, station.since.store):
        reported = station.bytes.store + (station.replays.bytes.store if station.replays else 0)
        agree = _agree(station.store_sent, reported, STORE_TOLERANCE, STORE_TOLERANCE_BYTES)
    return StoreCounter(station.store_sent, agree)


def _zone(zone: ZoneCount, day: Window | None) -> ZoneCount:
    same = day is not None and day.since == zone.since
    reported = (day.bytes.store or 0) + day.replays.store if day and same else None
    agree = _agree(zone.bytes, reported, STORE_TOLERANCE, STORE_TOLERANCE_BYTES)
    return msgspec.structs.replace(zone, viewers_say=reported, agree=agree)


def _host(counters: CounterHistory | None, day: Window | None) -> HostCount | None:
    rows = counters.rows if counters else []
    sent = growth(rows, lambda row: row.interfaces_sent)
    if sent is None:
        return None
    parts = (
        growth(rows, lambda row: row.stored),
        growth(rows, lambda row: row.responses),
        growth(rows, lambda row: row.seeded),
    )
    known = [part for part in parts if part is not None]
    accounted = sum(known) if len(known) == len(parts) else None
    agree = None
    if accounted is not None and sent >= accounted / 2:
        to_viewers = (day.viewer_hours if day else 0) * HOST_TOLERANCE_PER_VIEWER_HOUR
        allowed = max(HOST_TOLERANCE_BYTES, HOST_TOLERANCE * accounted)
        agree = sent - accounted <= allowed + to_viewers
    return HostCount(since=iso_time(rows[0].at), bytes=sent, accounted=accounted, agree=agree)


def _same_start(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    return abs(apart.total_seconds()) <= SAME_START_S


def _agree(one: int | None, other: int | None, tolerance: float, min_tolerance: int) -> bool | None:
    if one is None or other is None:
        return None
    return abs(one - other) <= max(min_tolerance, tolerance * max(one, other))

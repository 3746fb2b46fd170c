"""The report's figures: what a station says, and what its counters make of it."""

from datetime import datetime

import msgspec

from shoal.ops.last_day import LastDay, last_day
from shoal.station import (
    TELLING_BYTES,
    BytesBySource,
    CountingSince,
    HistoryColumns,
    OperatorStation,
    PublicStation,
    share,
    share_limit,
)

SERVICES_TOLERANCE = 0.01
SERVICES_TOLERANCE_BYTES = 256 * 1024
"""a response that is broken off was written to the gateway, and not all of it read there"""
STORE_TOLERANCE = 0.1
STORE_TOLERANCE_BYTES = 10_000_000
"""viewers' figures come every 10 s"""
SAME_TIME_S = 60.0
"""counters that began within this time of each other count the same"""
LOW_SHARE = 0.5
"""of what peers could carry"""


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
    """but for a small tolerance; null unless both counted"""


class StoreCounter(msgspec.Struct, frozen=True):
    """What the store itself counted, beside `bytes.store`, which is what viewers say."""

    bytes: int
    agree: bool | None
    """but for a tolerance; null where the two did not begin at the same time"""


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
    peers: int | None = None
    """viewers with at least one open link"""
    not_sharing: int | None = None
    """viewers that cannot share, or may not"""
    recent_share: float | None = None
    """`share` of the last minutes with somebody to share with; null over too few bytes"""
    share_limit: float | None = None
    """what `share` can be with these viewers: (N-1)/N"""
    bytes: VideoBytes | None = None
    ec2_video: Ec2Counts | None = None
    store_counter: StoreCounter | None = None
    """null where the store has no counter"""
    since: CountingSince | None = None
    startup: BytesBySource | None = None
    uploaded: int | None = None
    stalls: int | None = None
    latency_s: float | None = None
    chunks: int | None = None
    rooms: int | None = None
    services: dict[str, ServiceStatus] | None = None
    last_day: LastDay | None = None
    """null also where signaling has not been up for ten seconds"""


def public_report(url: str, at: str, station: PublicStation) -> Report:
    """Return what can be told without the operator's token."""
    return Report(url=url, at=at, live=station.live, viewers=station.viewers, share=station.share)


def operator_report(
    url: str, at: str, station: OperatorStation, history: HistoryColumns | None
) -> Report:
    """Return everything; of two counts of EC2's video the larger one stands."""
    services, gateway = station.ec2_video.services, station.ec2_video.gateway
    counts = [count for count in (services, gateway) if count is not None]
    received = station.bytes
    return Report(
        url=url,
        at=at,
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
        ec2_video=Ec2Counts(
            services=services,
            gateway=gateway,
            agree=_close(services, gateway, SERVICES_TOLERANCE, SERVICES_TOLERANCE_BYTES),
        ),
        store_counter=_store_counter(station),
        since=station.since,
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
        last_day=history and last_day(history),
    )


def _recent_share(recent: BytesBySource | None) -> float | None:
    if recent is None or recent.total < TELLING_BYTES:
        return None
    return share(recent, BytesBySource())


def _share_limit(viewers: int | None, not_sharing: int | None) -> float | None:
    return None if viewers is None or not_sharing is None else share_limit(viewers, not_sharing)


def _store_counter(station: OperatorStation) -> StoreCounter | None:
    if station.store_sent is None:
        return None
    agree = None
    if station.bytes is not None and _together(station.since.viewers, station.since.store):
        agree = _close(
            station.store_sent, station.bytes.store, STORE_TOLERANCE, STORE_TOLERANCE_BYTES
        )
    return StoreCounter(station.store_sent, agree)


def _together(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    return abs(apart.total_seconds()) <= SAME_TIME_S


def _close(one: int | None, other: int | None, part: float, at_least: int) -> bool | None:
    if one is None or other is None:
        return None
    return abs(one - other) <= max(at_least, part * max(one, other))

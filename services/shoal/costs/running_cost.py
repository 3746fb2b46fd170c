"""What a station's traffic has cost since its counters began. Plain arithmetic over `prices`.

At list prices, free amounts and rounding apart: what this traffic costs beside all other of the
month. The host itself and the few gigabytes that lie in the store are left out.
"""

from dataclasses import dataclass

from shoal.api_types import RunningCost
from shoal.costs import prices

BYTES_PER_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the services counted since they started."""

    stored_bytes: int
    """segments that were brought to the store"""
    stored_segments: int
    host_video_bytes: int
    """video in this host's HTTP responses; it should be 0"""
    seed_bytes: int
    """what the torrent seed sent"""
    wanted_bytes: int
    """each segment that was announced, times the viewers on its rendition"""
    received_bytes: int
    """what viewers received from all sources"""


def running_cost(traffic: Traffic) -> RunningCost:
    """Return what that costs, and what it would without store and peers."""
    sent = traffic.stored_bytes + traffic.host_video_bytes + traffic.seed_bytes
    segment_bytes = traffic.stored_bytes / max(1, traffic.stored_segments)
    # a viewer reads each segment, or its own slice of it
    reads = traffic.wanted_bytes / segment_bytes if segment_bytes else 0.0
    requests_usd = (
        traffic.stored_segments / 1e6 * prices.R2_CLASS_A_MILLION
        + reads / 1e6 * prices.R2_CLASS_B_MILLION
    )
    return RunningCost(
        usd=_egress(sent) + requests_usd,
        r2_usd=_egress(traffic.stored_bytes) + requests_usd,
        ec2_direct_usd=_egress(traffic.received_bytes),
        prices_as_of=prices.AS_OF,
    )


def _egress(size: int) -> float:
    return size / BYTES_PER_GB * prices.EC2_EGRESS[0][1]

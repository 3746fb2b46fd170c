"""What a station's traffic has cost since its counters started. Plain arithmetic over `prices`.

At list prices, without free amounts and rounding: what this traffic adds to the rest of the month.
The host itself and the few gigabytes in the store are not included.
"""

from dataclasses import dataclass

from shoal.api_types import RunningCost
from shoal.costs import prices


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What the services counted since they started."""

    stored_bytes: int
    """segments that were uploaded to the store"""
    stored_segments: int
    host_video_bytes: int
    """video in this host's HTTP responses; it should be 0"""
    seed_bytes: int
    """what the torrent seed sent"""
    wanted_bytes: int
    """size of each announced segment, times the viewers of its variant"""
    received_bytes: int
    """what viewers received from all sources"""


def running_cost(traffic: Traffic) -> RunningCost:
    """Return the cost of the traffic, and of the same traffic from R2 alone and from EC2 alone."""
    sent = traffic.stored_bytes + traffic.host_video_bytes + traffic.seed_bytes
    segment_bytes = traffic.stored_bytes / max(1, traffic.stored_segments)
    # a viewer requests each segment once, or its own slice of it
    reads = traffic.wanted_bytes / segment_bytes if segment_bytes else 0.0
    requests_usd = (
        traffic.stored_segments / 1e6 * prices.R2_CLASS_A_MILLION
        + reads / 1e6 * prices.R2_CLASS_B_MILLION
    )
    return RunningCost(
        usd=_egress_usd(sent) + requests_usd,
        r2_usd=_egress_usd(traffic.stored_bytes) + requests_usd,
        ec2_direct_usd=_egress_usd(traffic.received_bytes),
        prices_as_of=prices.AS_OF,
    )


def _egress_usd(size: int) -> float:
    return size / prices.BYTES_PER_GB * prices.EC2_EGRESS[0][1]

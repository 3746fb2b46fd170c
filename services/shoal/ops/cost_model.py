"""What a station's traffic costs: straight from EC2, from R2 alone, from R2 with peers.

Plain arithmetic over `prices`. Each line has two sums. At list prices: what one more hour costs
once the month's free amounts are used. Billed: if nothing else happens in the month, with the free
amounts off and R2's rounding up to whole millions and gigabyte-months.
"""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec

from shoal.costs import prices

ColumnName = Literal["ec2_direct", "r2", "r2_p2p"]

MONTH_MAX_HOURS = 744
BYTES_PER_GB = 1e9
USUAL_SHARE = 0.8
"""what peers carry where nobody says: the lower end of what rooms reach"""
KEPT_SEGMENTS = 2 * 60
"""an object lives for the window and for a playlist's length after it, and then"""
KEPT_S = 60
NOTES_PER_HOUR = 60
"""small writes of the broadcaster's state to the bucket"""


@dataclass(frozen=True)
class Load:
    """What is watched in a month, with one rendition. Raises ValueError for what cannot be."""

    viewers: int
    """on average, while on air"""
    hours: float
    """on air"""
    bitrate_kbps: int
    segment_s: float
    share: float
    """the part of viewers' bytes that peers carry, 0 to 1"""

    def __post_init__(self) -> None:
        if self.viewers < 1:
            raise ValueError("somebody must be watching: --viewers 1 or more")
        if not 0 < self.hours <= MONTH_MAX_HOURS:
            raise ValueError(f"--hours are those of one month: above 0, {MONTH_MAX_HOURS} at most")
        if self.segment_s <= 0:
            raise ValueError("a segment lasts more than 0 s: --segment-seconds")
        if not 0 <= self.share <= self.share_limit:
            raise ValueError(
                f"peers of {self.viewers} viewers carry {self.share_limit:.1%} at most, (N-1)/N:"
                f" --share {self.share:g} cannot be"
            )

    @property
    def share_limit(self) -> float:
        """(N-1)/N: one copy has to come from the store."""
        return 1 - 1 / self.viewers

    @property
    def stream_gb(self) -> float:
        """One copy of the stream, in GB of 10^9 bytes."""
        return self.bitrate_kbps * 1000 / 8 * 3600 * self.hours / BYTES_PER_GB

    @property
    def segments(self) -> float:
        """How many are published."""
        return 3600 * self.hours / self.segment_s


def usual_share(viewers: int) -> float:
    """Return the share to reckon with where nobody says."""
    return min(USUAL_SHARE, 1 - 1 / max(1, viewers))


class Line(msgspec.Struct, frozen=True):
    """One line of a bill."""

    name: str
    quantity: float
    unit: str
    list_usd: float
    billed_usd: float


class Column(msgspec.Struct, frozen=True):
    """One way to bring the stream to its viewers."""

    lines: tuple[Line, ...]
    list_usd: float
    list_usd_per_hour: float
    billed_usd: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What `shoal cost --json` prints; dollars are not rounded."""

    prices_as_of: str
    viewers: int
    hours: float
    bitrate_kbps: int
    segment_s: float
    share: float
    columns: dict[ColumnName, Column]


def cost(load: Load) -> Cost:
    """Return the three columns."""
    watched_gb = load.stream_gb * load.viewers
    stored = _r2(load)
    return Cost(
        prices_as_of=prices.AS_OF,
        viewers=load.viewers,
        hours=load.hours,
        bitrate_kbps=load.bitrate_kbps,
        segment_s=load.segment_s,
        share=load.share,
        columns={
            "ec2_direct": _column(load, (_ec2("EC2 to viewers", watched_gb),)),
            "r2": _column(load, (*stored, _free("R2 to viewers", watched_gb))),
            "r2_p2p": _column(
                load,
                (
                    *stored,
                    _free("R2 to viewers", watched_gb * (1 - load.share)),
                    _free("peers to viewers", watched_gb * load.share),
                ),
            ),
        },
    )


def _r2(load: Load) -> tuple[Line, ...]:
    """Return the lines that any number of peers leaves as they are.

    With peers a viewer asks the store for its own slice of each segment, so there are as many
    requests as without, for fewer bytes.
    """
    writes = load.segments + NOTES_PER_HOUR * load.hours
    kept_s = min(KEPT_SEGMENTS * load.segment_s + KEPT_S, load.hours * 3600)
    kept_gb = load.stream_gb * kept_s / (load.hours * 3600)
    return (
        _ec2("EC2 to R2, the upload", load.stream_gb),
        _operations(
            "R2 writes, class A", writes, prices.R2_CLASS_A_MILLION, prices.R2_FREE_CLASS_A
        ),
        _operations(
            "R2 reads, class B",
            load.segments * load.viewers,
            prices.R2_CLASS_B_MILLION,
            prices.R2_FREE_CLASS_B,
        ),
        Line(
            "R2 storage",
            kept_gb,
            "GB-month",
            kept_gb * prices.R2_STORAGE_GB_MONTH,
            max(0, math.ceil(kept_gb) - prices.R2_FREE_STORAGE_GB) * prices.R2_STORAGE_GB_MONTH,
        ),
    )


def _ec2(name: str, gigabytes: float) -> Line:
    billed = egress_usd(max(0.0, gigabytes - prices.EC2_FREE_GB))
    return Line(name, gigabytes, "GB", gigabytes * prices.EC2_EGRESS[0][1], billed)


def egress_usd(gigabytes: float) -> float:
    """Return what EC2's egress of a month costs, tier by tier, without the free amount."""
    usd, below = 0.0, 0.0
    for up_to, per_gb in prices.EC2_EGRESS:
        usd += max(0.0, min(gigabytes, up_to) - below) * per_gb
        below = up_to
    return usd


def _operations(name: str, count: float, usd_per_million: float, free: int) -> Line:
    millions = math.ceil(count / 1e6) - free / 1e6
    return Line(
        name, count, "requests", count / 1e6 * usd_per_million, max(0.0, millions) * usd_per_million
    )


def _free(name: str, gigabytes: float) -> Line:
    return Line(name, gigabytes, "GB", 0.0, 0.0)


def _column(load: Load, lines: tuple[Line, ...]) -> Column:
    listed = sum(line.list_usd for line in lines)
    return Column(
        lines=lines,
        list_usd=listed,
        list_usd_per_hour=listed / load.hours,
        billed_usd=sum(line.billed_usd for line in lines),
    )

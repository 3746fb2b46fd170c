"""What a station's traffic costs: straight from EC2, from R2 alone, from R2 with peers.

Plain arithmetic over `prices`. Each line has two sums. At list prices: what another hour costs once
the month's free amounts are used up. Billed: what this traffic costs if it is all of the month's,
without the free amounts, and with R2's rounding up to whole millions and gigabyte-months.
"""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec

from shoal.costs import prices

ColumnName = Literal["ec2_direct", "r2", "r2_p2p"]

MONTH_MAX_HOURS = 744
DEFAULT_SHARE = 0.8
"""peers' share unless given: the lower end of what rooms reach"""
KEPT_SEGMENTS = 2 * 60
"""an object is kept for the window, for the length of a playlist after it, and then"""
KEPT_S = 60
STATE_WRITES_PER_HOUR = 60
"""the broadcaster's state backups in the bucket"""


@dataclass(frozen=True)
class Load:
    """What is watched in a month, with one variant. Raises ValueError for impossible values."""

    viewers: int
    """on average, while on air"""
    hours: float
    """on air"""
    bitrate_kbps: int
    segment_s: float
    share: float
    """peers' share of the bytes that viewers receive, 0 to 1"""

    def __post_init__(self) -> None:
        if self.viewers < 1:
            raise ValueError("--viewers must be 1 or more")
        if not 0 < self.hours <= MONTH_MAX_HOURS:
            raise ValueError(
                f"--hours is for one month: it must be above 0, and {MONTH_MAX_HOURS} at most"
            )
        if self.segment_s <= 0:
            raise ValueError("--segment-seconds must be more than 0")
        if not 0 <= self.share <= self.share_limit:
            raise ValueError(
                f"--share {self.share:g} is not possible: with {self.viewers} viewers peers carry"
                f" {self.share_limit:.1%} at most, (N-1)/N"
            )

    @property
    def share_limit(self) -> float:
        """(N-1)/N: one copy has to come from the store."""
        return 1 - 1 / self.viewers

    @property
    def stream_gb(self) -> float:
        """One copy of the stream, in GB of 10^9 bytes."""
        return self.bitrate_kbps * 1000 / 8 * 3600 * self.hours / prices.BYTES_PER_GB

    @property
    def segments(self) -> float:
        """How many segments are published."""
        return 3600 * self.hours / self.segment_s


def default_share(viewers: int) -> float:
    """Return the peers' share to assume unless one is given."""
    return min(DEFAULT_SHARE, 1 - 1 / max(1, viewers))


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


def estimate_cost(load: Load) -> Cost:
    """Return the costs of a load in three columns."""
    watched_gb = load.stream_gb * load.viewers
    r2_lines = _r2_lines(load)
    return Cost(
        prices_as_of=prices.AS_OF,
        viewers=load.viewers,
        hours=load.hours,
        bitrate_kbps=load.bitrate_kbps,
        segment_s=load.segment_s,
        share=load.share,
        columns={
            "ec2_direct": _column(load, (_ec2_line("EC2 to viewers", watched_gb),)),
            "r2": _column(load, (*r2_lines, _free_line("R2 to viewers", watched_gb))),
            "r2_p2p": _column(
                load,
                (
                    *r2_lines,
                    _free_line("R2 to viewers", watched_gb * (1 - load.share)),
                    _free_line("peers to viewers", watched_gb * load.share),
                ),
            ),
        },
    )


def _r2_lines(load: Load) -> tuple[Line, ...]:
    """Return the lines that do not depend on peers.

    With peers a viewer requests its own slice of each segment from the store: as many requests as
    without peers, for fewer bytes.
    """
    writes = load.segments + STATE_WRITES_PER_HOUR * load.hours
    kept_s = min(KEPT_SEGMENTS * load.segment_s + KEPT_S, load.hours * 3600)
    kept_gb = load.stream_gb * kept_s / (load.hours * 3600)
    return (
        _ec2_line("EC2 to R2, the upload", load.stream_gb),
        _operations_line(
            "R2 writes, class A", writes, prices.R2_CLASS_A_MILLION, prices.R2_FREE_CLASS_A
        ),
        _operations_line(
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


def _ec2_line(name: str, gigabytes: float) -> Line:
    billed = egress_usd(max(0.0, gigabytes - prices.EC2_FREE_GB))
    return Line(name, gigabytes, "GB", gigabytes * prices.EC2_EGRESS[0][1], billed)


def egress_usd(gigabytes: float) -> float:
    """Return the price of a month's EC2 egress by its tiers, beyond the free amount."""
    usd, below = 0.0, 0.0
    for up_to, per_gb in prices.EC2_EGRESS:
        usd += max(0.0, min(gigabytes, up_to) - below) * per_gb
        below = up_to
    return usd


def _operations_line(name: str, count: float, usd_per_million: float, free: int) -> Line:
    millions = math.ceil(count / 1e6) - free / 1e6
    return Line(
        name, count, "requests", count / 1e6 * usd_per_million, max(0.0, millions) * usd_per_million
    )


def _free_line(name: str, gigabytes: float) -> Line:
    return Line(name, gigabytes, "GB", 0.0, 0.0)


def _column(load: Load, lines: tuple[Line, ...]) -> Column:
    list_usd = sum(line.list_usd for line in lines)
    return Column(
        lines=lines,
        list_usd=list_usd,
        list_usd_per_hour=list_usd / load.hours,
        billed_usd=sum(line.billed_usd for line in lines),
    )

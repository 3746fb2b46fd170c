"""The sum of what viewers report about themselves.

A report carries counters since its viewer joined, so the totals are those of the viewers that left
plus the last report of each that is here. A viewer can only speak for itself, and only within what
a link could carry; a report that cannot be true is refused whole, and the one before it stays.
"""

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.station import BytesBySource

MAX_BYTES_PER_S = 125_000_000
"""1 Gbit/s, each way"""
MAX_STALLS_PER_S = 10
RATE_ALLOWANCE_S = 1.0
"""a first report may come at once after the join"""
MAX_LINKS = 1_000
MIN_LATENCY_S = -60.0
"""clocks differ"""
MAX_LATENCY_S = 86_400.0

FigureRefusal = Literal["negative", "absurd", "decreasing", "too_fast", "startup_above_bytes"]


@dataclass(frozen=True)
class Totals:
    """Sums over all viewers since the start, and what the present ones say of now."""

    bytes: BytesBySource = field(default_factory=BytesBySource)
    startup: BytesBySource = field(default_factory=BytesBySource)
    uploaded: int = 0
    stalls: int = 0
    peers: int = 0
    """present viewers with at least one open link"""
    latency_s: float | None = None
    """median of the present viewers that know it"""


@dataclass
class _Account:
    joined_at: float
    last: Stats | None = None


class Figures:
    """The viewers' accounts. Times are seconds of a clock that does not go back."""

    def __init__(self) -> None:
        self._accounts: dict[MemberId, _Account] = {}
        self._finished = Totals()

    def joined(self, member: MemberId, now: float) -> None:
        """Open a viewer's account."""
        self._accounts[member] = _Account(joined_at=now)

    def left(self, member: MemberId) -> None:
        """Close a viewer's account; what it reported stays in the totals."""
        account = self._accounts.pop(member, None)
        if account is not None and account.last is not None:
            self._finished = _added(self._finished, account.last)

    def report(self, member: MemberId, stats: Stats, now: float) -> FigureRefusal | None:
        """Take a viewer's report, or say why it cannot be true."""
        account = self._accounts[member]
        refusal = _refusal(stats, account.last, now - account.joined_at)
        if refusal is None:
            account.last = stats
        return refusal

    def totals(self) -> Totals:
        """Return the sums."""
        totals = self._finished
        present = [account.last for account in self._accounts.values() if account.last is not None]
        for stats in present:
            totals = _added(totals, stats)
        latencies = [stats.latency_s for stats in present if stats.latency_s is not None]
        return replace(
            totals,
            peers=sum(stats.peers > 0 for stats in present),
            latency_s=median(latencies) if latencies else None,
        )


def _added(totals: Totals, stats: Stats) -> Totals:
    return replace(
        totals,
        bytes=totals.bytes + stats.bytes,
        startup=totals.startup + stats.startup,
        uploaded=totals.uploaded + stats.uploaded,
        stalls=totals.stalls + stats.stalls,
    )


def _counters(stats: Stats) -> tuple[int, ...]:
    received, startup = stats.bytes, stats.startup
    return (
        received.p2p,
        received.store,
        received.seed,
        startup.p2p,
        startup.store,
        startup.seed,
        stats.uploaded,
        stats.stalls,
    )


def _refusal(stats: Stats, before: Stats | None, elapsed_s: float) -> FigureRefusal | None:
    counters = _counters(stats)
    received, startup = stats.bytes, stats.startup
    latency = stats.latency_s if stats.latency_s is not None else 0.0
    allowed_s = elapsed_s + RATE_ALLOWANCE_S
    if min(*counters, stats.peers) < 0:
        return "negative"
    if stats.peers > MAX_LINKS or not MIN_LATENCY_S <= latency <= MAX_LATENCY_S:
        return "absurd"
    if startup.p2p > received.p2p or startup.store > received.store or startup.seed > received.seed:
        return "startup_above_bytes"
    if before is not None and any(
        new < old for new, old in zip(counters, _counters(before), strict=True)
    ):
        return "decreasing"
    if (
        received.total > MAX_BYTES_PER_S * allowed_s
        or stats.uploaded > MAX_BYTES_PER_S * allowed_s
        or stats.stalls > MAX_STALLS_PER_S * allowed_s
    ):
        return "too_fast"
    return None

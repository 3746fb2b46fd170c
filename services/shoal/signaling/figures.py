"""The sum of what viewers report about themselves.

A report carries counters since its viewer joined, so the totals are those of the viewers that left
plus the last report of each that is here. A viewer can only speak for itself, and only within what
a link could carry and what there was to receive; a report that cannot be true is refused whole, and
the one before it stays.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.station import BytesBySource

MAX_BYTES_PER_S = 125_000_000
"""1 Gbit/s, each way"""
MAX_STALLS_PER_S = 10
WINDOW_SEGMENTS = 60
"""of the playlist: what a newcomer may fetch of the time before it joined"""
STORE_FACTOR = 2
"""the store's bytes count as they arrive, so a piece that a peer was faster with counts twice"""
RECENT_S = 120.0
MARK_EVERY_S = 10.0
SETTLE_S = 30.0
"""from the join of a first partner: links open within 15 s, figures come every 10 s"""
RATE_ALLOWANCE_S = 1.0
"""a first report may come at once after the join"""
MAX_LINKS = 1_000
MIN_LATENCY_S = -60.0
"""clocks differ"""
MAX_LATENCY_S = 86_400.0

FigureRefusal = Literal[
    "negative", "absurd", "decreasing", "too_fast", "too_much", "startup_above_bytes"
]


@dataclass(frozen=True)
class Totals:
    """Sums over all viewers since the start, and what the present ones say of now."""

    bytes: BytesBySource = field(default_factory=BytesBySource)
    startup: BytesBySource = field(default_factory=BytesBySource)
    uploaded: int = 0
    stalls: int = 0
    recent: BytesBySource = field(default_factory=BytesBySource)
    """`bytes` without `startup`, of the last two minutes or so, of the time with somebody to share
    with"""
    peers: int = 0
    """present viewers with at least one open link"""
    not_sharing: int = 0
    """present viewers that cannot share, or may not"""
    latency_s: float | None = None
    """median of the present viewers that know it"""


@dataclass
class _Account:
    joined_at: float
    sharing: bool
    announced: dict[int, int]
    """bytes announced before it joined, by rendition"""
    last: Stats | None = None


class _Recent:
    """A sum that only grows, and the latest part of it."""

    def __init__(self) -> None:
        self.total = BytesBySource()
        self._marks = deque([(float("-inf"), self.total)])
        self._begins_at = float("-inf")

    def begin(self, when: float) -> None:
        """Leave out what comes before."""
        self._begins_at = when

    def add(self, received: BytesBySource, now: float) -> None:
        """Add to the sum."""
        self.total += received
        if now < self._begins_at:
            self._marks = deque([(now, self.total)])
            return
        if now - self._marks[-1][0] >= MARK_EVERY_S:
            self._marks.append((now, self.total))
        while len(self._marks) > 1 and self._marks[1][0] <= now - RECENT_S:
            self._marks.popleft()

    @property
    def latest(self) -> BytesBySource:
        """What was added lately."""
        return self.total - self._marks[0][1]


class Figures:
    """The viewers' accounts. Times are seconds of a clock that does not go back."""

    def __init__(self) -> None:
        self._accounts: dict[MemberId, _Account] = {}
        self._finished = Totals()
        self._recent = _Recent()
        self._announced: dict[int, int] = {}
        self._largest = 0

    def announced(self, variant: int, size: int) -> None:
        """Note a segment that viewers may receive from now on."""
        self._announced[variant] = self._announced.get(variant, 0) + size
        self._largest = max(self._largest, size)

    def joined(self, member: MemberId, now: float, *, sharing: bool = True) -> None:
        """Open a viewer's account."""
        self._accounts[member] = _Account(now, sharing, dict(self._announced))
        if sharing and sum(account.sharing for account in self._accounts.values()) == 2:
            self._recent.begin(now + SETTLE_S)

    def left(self, member: MemberId) -> None:
        """Close a viewer's account; what it reported stays in the totals."""
        account = self._accounts.pop(member, None)
        if account is not None and account.last is not None:
            self._finished = _added(self._finished, account.last)

    def report(self, member: MemberId, stats: Stats, now: float) -> FigureRefusal | None:
        """Take a viewer's report, or say why it cannot be true."""
        account = self._accounts[member]
        refusal = _refusal(stats, account.last, now - account.joined_at)
        if refusal is None and self._is_too_much(stats.bytes, account):
            refusal = "too_much"
        if refusal is None:
            before = _steady(account.last) if account.last is not None else BytesBySource()
            self._recent.add(_steady(stats) - before, now)
            account.last = stats
        return refusal

    def totals(self) -> Totals:
        """Return the sums."""
        totals = self._finished
        accounts = self._accounts.values()
        present = [account.last for account in accounts if account.last is not None]
        for stats in present:
            totals = _added(totals, stats)
        latencies = [stats.latency_s for stats in present if stats.latency_s is not None]
        return replace(
            totals,
            recent=self._recent.latest,
            peers=sum(stats.peers > 0 for stats in present),
            not_sharing=sum(not account.sharing for account in accounts),
            latency_s=median(latencies) if latencies else None,
        )

    def _is_too_much(self, received: BytesBySource, account: _Account) -> bool:
        """Say whether there was less to receive, where it is known what there was."""
        if not self._announced:
            return False
        since_join = max(
            size - account.announced.get(variant, 0) for variant, size in self._announced.items()
        )
        available = since_join + WINDOW_SEGMENTS * self._largest
        return received.p2p > available or received.store + received.seed > STORE_FACTOR * available


def _steady(stats: Stats) -> BytesBySource:
    return stats.bytes - stats.startup


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

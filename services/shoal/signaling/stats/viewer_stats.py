"""What viewers report about themselves: the sums, and each viewer's last report.

A report carries counters since its viewer joined; the sums grow by what it says beyond the report
before it, so they keep what viewers that left had said, and cost the same however many there are.
A viewer can only speak for itself, and only within what a link could carry and what there was to
receive; a report that cannot be true is refused whole, and the one before it stays.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal

from shoal.api_types import BytesBySource, ViewerFigures
from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.signaling.stats.plausibility import Announced, Stay
from shoal.signaling.stats.totals import Totals

MAX_BYTES_PER_S = 125_000_000
"""1 Gbit/s, each way"""
MAX_STALLS_PER_S = 10
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
MAX_UPLINK_BPS = 1e11

FigureRefusal = Literal[
    "negative", "absurd", "decreasing", "too_fast", "too_much", "startup_above_bytes"
]

NOTHING = Stats(bytes=BytesBySource(), startup=BytesBySource(), uploaded=0, peers=0, stalls=0)


@dataclass(slots=True)
class _Account:
    joined_at: float
    sharing: bool
    stay: Stay
    left_before: int
    """viewers that left before it joined"""
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


class _Sorted:
    """Numbers in order, for their median."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def replace(self, old: float | None, new: float | None) -> None:
        """Take one out, and another one in."""
        if old is not None:
            del self._values[bisect_left(self._values, old)]
        if new is not None:
            insort(self._values, new)

    @property
    def median(self) -> float | None:
        """The middle one, or the mean of the two in the middle."""
        middle, odd = divmod(len(self._values), 2)
        if odd:
            return self._values[middle]
        return (self._values[middle - 1] + self._values[middle]) / 2 if middle else None


class Figures:
    """The viewers' accounts. Times are seconds of a clock that does not go back."""

    def __init__(self) -> None:
        self._announced = Announced()
        self._accounts: dict[MemberId, _Account] = {}
        self.joins = 0
        """viewers that ever came"""
        self._joins_elsewhere = 0
        self._bytes = BytesBySource()
        self._startup = BytesBySource()
        self._uploaded = 0
        self._stalls = 0
        self._wanted = 0
        self._recent = _Recent()
        self._renditions: Counter[int] = Counter()
        self._sharing = 0
        self._linked = 0
        self._latencies = _Sorted()

    def announced(self, variant: int, size: int) -> None:
        """Note a segment that viewers may receive from now on."""
        self._announced.add(variant, size)
        self._wanted += size * self._renditions[variant]

    def joined(self, member: MemberId, variant: int, now: float, *, sharing: bool = True) -> None:
        """Open the account of a viewer that is on this rendition."""
        left_before = self.joins - len(self._accounts)
        stay = Stay(self._announced, variant)
        self._accounts[member] = _Account(now, sharing, stay, left_before)
        self.joins += 1
        self._renditions[variant] += 1
        self._sharing += sharing
        if sharing and self._sharing == 2:
            self._recent.begin(now + SETTLE_S)

    def joined_elsewhere(self, joins: int) -> None:
        """Note how many came to other processes, whose viewers share with ours."""
        self._joins_elsewhere = max(self._joins_elsewhere, joins)

    def switched(self, member: MemberId, variant: int) -> None:
        """Note that a viewer plays another rendition from now on."""
        stay = self._accounts[member].stay
        self._move(stay.variant, variant)
        stay.switch(variant)

    def left(self, member: MemberId) -> None:
        """Close a viewer's account; what it reported stays in the sums."""
        account = self._accounts.pop(member, None)
        if account is not None:
            self._sharing -= account.sharing
            self._move(account.stay.variant, None)
            self._now_says(account.last or NOTHING, NOTHING)

    def report(self, member: MemberId, stats: Stats, now: float) -> FigureRefusal | None:
        """Take a viewer's report, or say why it cannot be true."""
        account = self._accounts[member]
        before = account.last or NOTHING
        refusal = refusal_of(stats, before, now - account.joined_at)
        if refusal is None and self._is_too_much(stats, account):
            refusal = "too_much"
        if refusal is None:
            account.last = stats
            self._bytes += stats.bytes - before.bytes
            self._startup += stats.startup - before.startup
            self._uploaded += stats.uploaded - before.uploaded
            self._stalls += stats.stalls - before.stalls
            self._recent.add(_steady(stats) - _steady(before), now)
            self._now_says(before, stats)
        return refusal

    def totals(self) -> Totals:
        """Return the sums."""
        return Totals(
            bytes=self._bytes,
            startup=self._startup,
            uploaded=self._uploaded,
            stalls=self._stalls,
            wanted=self._wanted,
            recent=self._recent.latest,
            viewers=len(self._accounts),
            renditions=dict(self._renditions),
            peers=self._linked,
            not_sharing=len(self._accounts) - self._sharing,
            latency_s=self._latencies.median,
            timed=len(self._latencies),
        )

    def viewers(self, now: float, unix_now: float) -> list[ViewerSummary]:
        """Return what each present viewer reported last, in the order of joining.

        `unix_now` is the same moment as `now`, Unix time.
        """
        return [
            ViewerSummary(
                id=member,
                since=round(unix_now - (now - account.joined_at)),
                variant=account.stay.variant,
                sharing=account.sharing,
                bytes=said and said.bytes,
                startup=said and said.startup,
                uploaded=said and said.uploaded,
                links=said and said.peers,
                stalls=said and said.stalls,
                latency_s=said and said.latency_s,
            )
            for member, account in self._accounts.items()
            for said in (account.last,)
        ]

    def _move(self, variant: int, to: int | None) -> None:
        self._renditions[variant] -= 1
        if not self._renditions[variant]:
            del self._renditions[variant]
        if to is not None:
            self._renditions[to] += 1

    def _now_says(self, before: Stats, after: Stats) -> None:
        """Let a present viewer say `after` of now, where it said `before`."""
        self._linked += (after.peers > 0) - (before.peers > 0)
        self._latencies.replace(before.latency_s, after.latency_s)

    def _is_too_much(self, stats: Stats, account: _Account) -> bool:
        """Say whether there was less to receive, or to send to all that it can have met."""
        available, received = account.stay.available, stats.bytes
        met = self.joins - account.left_before + self._joins_elsewhere
        return (
            received.p2p > available
            or received.store + received.seed > STORE_FACTOR * available
            or stats.uploaded > met * available
        )


def _steady(stats: Stats) -> BytesBySource:
    return stats.bytes - stats.startup


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


def _is_absurd(stats: Stats) -> bool:
    latency, uplink = stats.latency_s, stats.uplink_bps
    return (
        stats.peers > MAX_LINKS
        or (latency is not None and not MIN_LATENCY_S <= latency <= MAX_LATENCY_S)
        or (uplink is not None and not 0 < uplink <= MAX_UPLINK_BPS)
    )


def refusal_of(stats: Stats, before: Stats, elapsed_s: float) -> FigureRefusal | None:
    """Say why a report that came `elapsed_s` after the join cannot be true, whatever is on air."""
    counters = _counters(stats)
    received, startup = stats.bytes, stats.startup
    allowed_s = elapsed_s + RATE_ALLOWANCE_S
    if min(*counters, stats.peers) < 0:
        return "negative"
    if _is_absurd(stats):
        return "absurd"
    if startup.p2p > received.p2p or startup.store > received.store or startup.seed > received.seed:
        return "startup_above_bytes"
    if any(new < old for new, old in zip(counters, _counters(before), strict=True)):
        return "decreasing"
    if (
        received.total > MAX_BYTES_PER_S * allowed_s
        or stats.uploaded > MAX_BYTES_PER_S * allowed_s
        or stats.stalls > MAX_STALLS_PER_S * allowed_s
    ):
        return "too_fast"
    return None

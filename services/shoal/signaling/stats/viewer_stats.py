"""The stats that viewers report: their sums, and each viewer's last report.

A report holds counters since the viewer joined. The sums grow by its difference from the report
before, so they keep what viewers reported that have left, at a cost that does not depend on their
number. A viewer can only report for itself, and only what a link can carry and what was published;
an implausible report is refused as a whole, and the one before it stays.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal

from shoal.api_types import BytesBySource, ViewerSummary
from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.signaling.stats.plausibility import PublishedBytes, ViewerHistory
from shoal.signaling.stats.totals import Totals

MAX_BYTES_PER_S = 125_000_000
"""1 Gbit/s, each way"""
MAX_STALLS_PER_S = 10
STORE_FACTOR = 2
"""the store's bytes count as they arrive, so a piece that a peer delivered first counts twice"""
RECENT_S = 120.0
MARK_INTERVAL_S = 10.0
SETTLING_S = 30.0
"""after the second sharing viewer joins: links open within 15 s, reports come every 10 s"""
RATE_TOLERANCE_S = 1.0
"""a first report may follow right after the join"""
MAX_LINKS = 1_000
MIN_LATENCY_S = -60.0
"""clocks differ"""
MAX_LATENCY_S = 86_400.0
MAX_UPLINK_BPS = 1e11

StatsRefusal = Literal[
    "negative", "absurd", "decreasing", "too_fast", "too_much", "startup_above_bytes"
]

NO_STATS = Stats(bytes=BytesBySource(), startup=BytesBySource(), uploaded=0, peers=0, stalls=0)


@dataclass(slots=True)
class _ViewerRecord:
    joined_at: float
    sharing: bool
    history: ViewerHistory
    left_before_join: int
    """viewers that left before it joined"""
    last_report: Stats | None = None


class _RecentBytes:
    """A sum that only grows, and what was added to it lately."""

    def __init__(self) -> None:
        self.total = BytesBySource()
        self._marks = deque([(float("-inf"), self.total)])
        self._begins_at = float("-inf")

    def begin(self, when: float) -> None:
        """Leave out what comes before `when`."""
        self._begins_at = when

    def add(self, received: BytesBySource, now: float) -> None:
        """Add to the sum."""
        self.total += received
        if now < self._begins_at:
            self._marks = deque([(now, self.total)])
            return
        if now - self._marks[-1][0] >= MARK_INTERVAL_S:
            self._marks.append((now, self.total))
        while len(self._marks) > 1 and self._marks[1][0] <= now - RECENT_S:
            self._marks.popleft()

    @property
    def latest(self) -> BytesBySource:
        """What was added in the last RECENT_S."""
        return self.total - self._marks[0][1]


class _SortedValues:
    """Sorted numbers, for their median."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def replace(self, old: float | None, new: float | None) -> None:
        """Remove one value, and insert another."""
        if old is not None:
            del self._values[bisect_left(self._values, old)]
        if new is not None:
            insort(self._values, new)

    @property
    def median(self) -> float | None:
        """The middle value, or the mean of the two in the middle."""
        middle, odd = divmod(len(self._values), 2)
        if odd:
            return self._values[middle]
        return (self._values[middle - 1] + self._values[middle]) / 2 if middle else None


class ViewerStats:
    """The stats of all viewers. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._published = PublishedBytes()
        self._records: dict[MemberId, _ViewerRecord] = {}
        self.joins = 0
        """viewers that ever joined"""
        self._remote_joins = 0
        self._bytes = BytesBySource()
        self._startup = BytesBySource()
        self._uploaded = 0
        self._stalls = 0
        self._wanted = 0
        self._recent = _RecentBytes()
        self._by_variant: Counter[int] = Counter()
        self._sharing_viewers = 0
        self._linked_viewers = 0
        self._latencies = _SortedValues()

    def published(self, variant: int, size: int) -> None:
        """Note a segment that viewers may receive from now on."""
        self._published.add(variant, size)
        self._wanted += size * self._by_variant[variant]

    def joined(self, member: MemberId, variant: int, now: float, *, sharing: bool = True) -> None:
        """Add a viewer that is on this variant."""
        left_before = self.joins - len(self._records)
        history = ViewerHistory(self._published, variant)
        self._records[member] = _ViewerRecord(now, sharing, history, left_before)
        self.joins += 1
        self._by_variant[variant] += 1
        self._sharing_viewers += sharing
        if sharing and self._sharing_viewers == 2:
            self._recent.begin(now + SETTLING_S)

    def set_remote_joins(self, joins: int) -> None:
        """Note how many viewers joined other nodes, and may share with ours."""
        self._remote_joins = max(self._remote_joins, joins)

    def switched(self, member: MemberId, variant: int) -> None:
        """Note that a viewer plays another variant from now on."""
        history = self._records[member].history
        self._count_variant(history.variant, variant)
        history.switch(variant)

    def left(self, member: MemberId) -> None:
        """Remove a viewer; what it reported stays in the sums."""
        record = self._records.pop(member, None)
        if record is not None:
            self._sharing_viewers -= record.sharing
            self._count_variant(record.history.variant, None)
            self._replace_current(record.last_report or NO_STATS, NO_STATS)

    def report(self, member: MemberId, stats: Stats, now: float) -> StatsRefusal | None:
        """Take a viewer's report, or return why it is implausible."""
        record = self._records[member]
        previous = record.last_report or NO_STATS
        refusal = stats_refusal(stats, previous, now - record.joined_at)
        if refusal is None and self._is_too_much(stats, record):
            refusal = "too_much"
        if refusal is None:
            record.last_report = stats
            self._bytes += stats.bytes - previous.bytes
            self._startup += stats.startup - previous.startup
            self._uploaded += stats.uploaded - previous.uploaded
            self._stalls += stats.stalls - previous.stalls
            self._recent.add(_without_startup(stats) - _without_startup(previous), now)
            self._replace_current(previous, stats)
        return refusal

    def totals(self) -> Totals:
        """Return the totals."""
        return Totals(
            bytes=self._bytes,
            startup=self._startup,
            uploaded=self._uploaded,
            stalls=self._stalls,
            wanted=self._wanted,
            recent=self._recent.latest,
            viewers=len(self._records),
            by_variant=dict(self._by_variant),
            peers=self._linked_viewers,
            not_sharing=len(self._records) - self._sharing_viewers,
            latency_s=self._latencies.median,
            with_latency=len(self._latencies),
        )

    def viewers(self, now: float, unix_now: float) -> list[ViewerSummary]:
        """Return the last stats of each present viewer, in the order of joining.

        `unix_now` is the same moment as `now`, as Unix time.
        """
        return [
            ViewerSummary(
                id=member,
                since=round(unix_now - (now - record.joined_at)),
                variant=record.history.variant,
                sharing=record.sharing,
                bytes=last and last.bytes,
                startup=last and last.startup,
                uploaded=last and last.uploaded,
                links=last and last.peers,
                stalls=last and last.stalls,
                latency_s=last and last.latency_s,
            )
            for member, record in self._records.items()
            for last in (record.last_report,)
        ]

    def _count_variant(self, variant: int, new: int | None) -> None:
        self._by_variant[variant] -= 1
        if not self._by_variant[variant]:
            del self._by_variant[variant]
        if new is not None:
            self._by_variant[new] += 1

    def _replace_current(self, previous: Stats, current: Stats) -> None:
        """Replace a present viewer's part of the current state."""
        self._linked_viewers += (current.peers > 0) - (previous.peers > 0)
        self._latencies.replace(previous.latency_s, current.latency_s)

    def _is_too_much(self, stats: Stats, record: _ViewerRecord) -> bool:
        """Return whether it received more than there was, or sent more than others can take."""
        available, received = record.history.available, stats.bytes
        possible_receivers = self.joins - record.left_before_join + self._remote_joins
        return (
            received.p2p > available
            or received.store + received.seed > STORE_FACTOR * available
            or stats.uploaded > possible_receivers * available
        )


def _without_startup(stats: Stats) -> BytesBySource:
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


def _is_out_of_range(stats: Stats) -> bool:
    latency, uplink = stats.latency_s, stats.uplink_bps
    return (
        stats.peers > MAX_LINKS
        or (latency is not None and not MIN_LATENCY_S <= latency <= MAX_LATENCY_S)
        or (uplink is not None and not 0 < uplink <= MAX_UPLINK_BPS)
    )


def stats_refusal(stats: Stats, previous: Stats, elapsed_s: float) -> StatsRefusal | None:
    """Return why a report `elapsed_s` after the join is implausible in itself, or None."""
    counters = _counters(stats)
    received, startup = stats.bytes, stats.startup
    allowed_s = elapsed_s + RATE_TOLERANCE_S
    if min(*counters, stats.peers) < 0:
        return "negative"
    if _is_out_of_range(stats):
        return "absurd"
    if startup.p2p > received.p2p or startup.store > received.store or startup.seed > received.seed:
        return "startup_above_bytes"
    if any(new < old for new, old in zip(counters, _counters(previous), strict=True)):
        return "decreasing"
    if (
        received.total > MAX_BYTES_PER_S * allowed_s
        or stats.uploaded > MAX_BYTES_PER_S * allowed_s
        or stats.stalls > MAX_STALLS_PER_S * allowed_s
    ):
        return "too_fast"
    return None

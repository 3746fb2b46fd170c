"""What the report says of a stretch of time: the last minutes, the last hour, the last 24 hours.

Viewers' figures come from signaling's rows, of 10 s each; what this host sent comes from the
counters that the site keeps, once a minute.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

import msgspec

from shoal.api_types import BytesBySource, CounterHistory, CounterSample, HistoryColumns, share

SPANS_S = {"now": 300, "hour": 3600, "day": 24 * 3600}
"""of the windows of a report"""


class VideoBytes(msgspec.Struct, frozen=True):
    """Bytes of video to viewers, by what they came through; null: cannot be known."""

    ec2_video: int | None
    store: int | None
    p2p: int | None
    seed: int | None

    @property
    def total(self) -> int:
        """The sum of what is known."""
        return sum(size or 0 for size in (self.ec2_video, self.store, self.p2p, self.seed))


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of time up to now; steps that signaling slept over count nothing."""

    since: str
    """ISO 8601, UTC; later than was asked for where signaling started later"""
    seconds: int
    bytes: VideoBytes
    share: float | None
    """peers' part, 0 to 1, start-up apart; null while nothing was received"""
    uploaded: int
    """bytes that viewers sent to each other"""
    stored: int | None
    """bytes that this host brought to the store"""
    viewers: float
    """on average"""
    peak_viewers: int
    peak_at: str
    """when there were that many for the first time, ISO 8601, UTC"""
    viewer_hours: float
    copies: float | None
    """how often each segment was fetched from store or seed, start-up apart; 1 a room is least"""
    stalls: int
    latency_s: float | None
    """behind live, the median over the steps of viewers' medians"""
    ec2_video_per_viewer_hour: float | None
    """bytes; null without viewers"""
    replays: BytesBySource
    """what viewers of replays received, who are in none of the other figures"""


def windows(history: HistoryColumns, counters: CounterHistory | None) -> dict[str, Window]:
    """Return a window for each of SPANS_S; none while there is no history."""
    rows = counters.rows if counters else []
    return {name: _window(history, rows, span_s) for name, span_s in SPANS_S.items() if history.at}


def _window(history: HistoryColumns, counts: Sequence[CounterSample], span_s: int) -> Window:
    newest = history.at[-1]
    n = sum(at > newest - span_s for at in history.at)
    viewers = [count or 0 for count in history.viewers[-n:]]
    peak = max(viewers)
    seen_s = sum(count is not None for count in history.viewers[-n:]) * history.step_s
    hours = sum(viewers) * history.step_s / 3600
    begin = history.at[-n] - history.step_s
    past = since(counts, begin)
    host = grown_most(past)
    received = BytesBySource(_sum(history.p2p, n), _sum(history.store, n), _sum(history.seed, n))
    startup = BytesBySource(
        _sum(history.startup_p2p, n), _sum(history.startup, n) - _sum(history.startup_p2p, n)
    )  # which of the two others the rest came from does not matter
    latencies = [value for value in history.latency_s[-n:] if value is not None]
    return Window(
        since=iso(begin),
        seconds=n * history.step_s,
        bytes=VideoBytes(host, received.store, received.p2p, received.seed),
        share=share(received, startup),
        uploaded=_sum(history.uploaded, n),
        stored=grown(past, lambda row: row.stored),
        viewers=sum(viewers) * history.step_s / seen_s if seen_s else 0.0,
        peak_viewers=peak,
        peak_at=iso(history.at[-n:][viewers.index(peak)]),
        viewer_hours=hours,
        copies=_copies(history, n, received.store + received.seed - startup.store),
        stalls=_sum(history.stalls, n),
        latency_s=statistics.median(latencies) if latencies else None,
        ec2_video_per_viewer_hour=None if host is None or not hours else host / hours,
        replays=BytesBySource(_sum(history.replays_p2p, n), _sum(history.replays_store, n)),
    )


def since(counts: Sequence[CounterSample], begin: int) -> list[CounterSample]:
    """Return the rows from the last one before `begin` on, Unix time."""
    first = max((i for i, row in enumerate(counts) if row.at <= begin), default=0)
    return list(counts[first:])


def grown_most(counts: Sequence[CounterSample]) -> int | None:
    """Return the video through EC2 that was counted: of its two counts the larger one."""
    grew = (
        grown(counts, lambda row: row.services_video),
        grown(counts, lambda row: row.gateway_video),
    )
    return max((size for size in grew if size is not None), default=None)


def grown(counts: Sequence[CounterSample], of: Callable[[CounterSample], int | None]) -> int | None:
    """Return by how much a counter grew; one that shrank began anew. None if it is not known."""
    values = [value for value in map(of, counts) if value is not None]
    if not values:
        return None
    return sum(new - old if new >= old else new for old, new in pairwise(values))


def _copies(history: HistoryColumns, n: int, fetched: int) -> float | None:
    """Return how often each byte that was announced while somebody watched was fetched.

    Bytes for starts count on neither side: of what was announced while all were starting, no more
    counts than what they took afterwards.
    """
    announced = sum(
        min(wanted / viewers, sum(_known(taken)) - (startup or 0))
        for wanted, viewers, startup, *taken in zip(
            *(column[-n:] for column in (history.wanted, history.viewers, history.startup)),
            *(column[-n:] for column in (history.p2p, history.store, history.seed)),
            strict=True,
        )
        if wanted and viewers
    )
    return max(0, fetched) / announced if announced else None


T = TypeVar("T", int, float)


def _sum(column: Sequence[T | None], rows: int) -> T | int:
    return sum(_known(column[len(column) - rows :]))


def _known(values: Iterable[T | None]) -> Iterable[T]:
    return (value for value in values if value is not None)


def iso(unix_s: int) -> str:
    """Return a time as ISO 8601, UTC."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")

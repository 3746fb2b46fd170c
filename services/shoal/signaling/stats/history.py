"""The last 24 hours in steps of 10 s: a ring of rows, each column an array. No I/O.

A row stands for the step that ends at its time, a multiple of ten Unix seconds, so that rows of
several processes have the same times. Counts and latency are of that moment; bytes and stalls are
those reported within the step. A step without a row is missing: null in every column, and what was
reported meanwhile is in the next row.
"""

from array import array
from math import floor, isnan, nan
from typing import TypeVar

from shoal.api_types import HistoryColumns
from shoal.signaling.stats.totals import Totals

STEP_S = 10
STEPS = 24 * 3600 // STEP_S
MAX_SET_BACK_STEPS = 6
"""a clock that is set back by at most this much is waited for"""

COUNTS = (
    "viewers",
    "linked",
    "rooms",
    "p2p",
    "store",
    "seed",
    "startup",
    "startup_p2p",
    "wanted",
    "uploaded",
    "stalls",
    "replays_p2p",
    "replays_store",
)
MISSING = -1


class History:
    """The rows of one process, or of all."""

    def __init__(self) -> None:
        self._counts = {name: array("q", [MISSING]) * STEPS for name in COUNTS}
        self._latencies = array("d", [nan]) * STEPS
        self._first = 0
        self._end = 0
        """row n, at n·10 s, is stored at n mod STEPS; there are rows from `first` to before
        `end`"""
        self._previous = Totals()

    def record(self, at: float, totals: Totals, rooms: int) -> None:
        """Record the row of the step that has just ended; `at` is Unix time.

        A second call within one step changes nothing. If the clock was set back by more than a
        minute, the history starts over, because its rows would be in the future.
        """
        row = floor(at / STEP_S)
        if self._end - MAX_SET_BACK_STEPS <= row < self._end:
            return
        if row < self._end or row - self._end >= STEPS:
            self._first = self._end = row
        for missed in range(self._end, row):
            self._write(missed, [MISSING] * len(COUNTS), None)
        self._write(row, self._row(totals, rooms), totals.latency_s)
        self._end = row + 1
        self._first = max(self._first, self._end - STEPS)
        self._previous = totals

    def after(self, unix_s: float) -> HistoryColumns:
        """Return the rows with a later time, oldest first."""
        begin = max(self._first, floor(unix_s / STEP_S) + 1)
        rows = range(begin, max(begin, self._end))
        columns = {
            name: [None if value == MISSING else value for value in _rows_of(column, rows)]
            for name, column in self._counts.items()
        }
        return HistoryColumns(
            step_s=STEP_S,
            at=[row * STEP_S for row in rows],
            latency_s=[
                None if isnan(value) else value for value in _rows_of(self._latencies, rows)
            ],
            **columns,
        )

    def _row(self, totals: Totals, rooms: int) -> list[int]:
        """Return the row's counts; a sum that shrank, because a node left, counts as zero."""
        now, previous = totals, self._previous
        amounts = (
            now.bytes.p2p - previous.bytes.p2p,
            now.bytes.store - previous.bytes.store,
            now.bytes.seed - previous.bytes.seed,
            now.startup.total - previous.startup.total,
            now.startup.p2p - previous.startup.p2p,
            now.wanted - previous.wanted,
            now.uploaded - previous.uploaded,
            now.stalls - previous.stalls,
            now.replays.bytes.p2p - previous.replays.bytes.p2p,
            now.replays.bytes.store - previous.replays.bytes.store,
        )
        return [now.viewers, now.peers, rooms, *(max(0, amount) for amount in amounts)]

    def _write(self, row: int, counts: list[int], latency_s: float | None) -> None:
        position = row % STEPS
        for column, value in zip(self._counts.values(), counts, strict=True):
            column[position] = value
        self._latencies[position] = nan if latency_s is None else latency_s


T = TypeVar("T", int, float)


def _rows_of(column: "array[T]", rows: range) -> "array[T]":
    if not rows:
        return column[:0]
    start, stop = rows.start % STEPS, (rows.stop - 1) % STEPS + 1
    return column[start:stop] if start < stop else column[start:] + column[:stop]

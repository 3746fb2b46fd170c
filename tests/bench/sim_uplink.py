"""A viewer's uplink in `make sim`, by the rules of the player's uplink, its estimator and pacing.

No I/O.
"""

import heapq
import math
from collections.abc import Callable, Sequence

PACE = 0.7
"""fraction of a link that sharing uses once the link has been measured"""
MAX_WAIT_S = 3.0
"""the pace rises if queued pieces would wait longer than this"""
MEASURED_AFTER_S = 1.5
"""a link has been measured once it was busy for this long"""
PROBE_AFTER_S = 30.0
FORGET_AFTER_S = 60.0

Piece = tuple[int, int]
"""a receiver's index in the roster, and a piece's in the segment"""


class Uplink:
    """One viewer's uplink, and the pieces queued for it. Times are seconds."""

    __slots__ = (
        "_full_since",
        "_max_waiting",
        "_measured_at",
        "_order",
        "_queue",
        "_turn",
        "_turns",
        "_waiting",
        "bps",
        "free_at",
        "sent",
    )

    def __init__(self, bps: float) -> None:
        self.bps = bps
        self.sent = 0.0
        """bytes"""
        self.free_at = -math.inf
        """when everything under way has been sent"""
        self._queue: list[tuple[int, int, int, int]] = []
        self._order = 0
        self._turn = 0
        """the current turn"""
        self._turns: dict[int, int] = {}
        """the last turn of each receiver"""
        self._waiting = self._max_waiting = 0
        """bytes; and the maximum since the queue was last empty"""
        self._full_since = 0.0
        self._measured_at = -math.inf

    def measured_bps(self, now: float) -> float | None:
        """Return the uplink that the viewer reports; None if it has not been the limit lately."""
        return self.bps if now - self._measured_at <= FORGET_AFTER_S else None

    def add(self, to: int, piece: int, size: int) -> None:
        """Queue a piece; receivers take turns."""
        self._order += 1
        self._turns[to] = turn = max(self._turn, self._turns.get(to, 0)) + 1
        heapq.heappush(self._queue, (turn, self._order, to, piece))
        self._waiting += size
        self._max_waiting = max(self._max_waiting, self._waiting)

    def clear(self) -> None:
        """Empty the queue: no receiver wants these pieces any longer."""
        self._queue.clear()
        self._turns.clear()
        self._waiting = self._max_waiting = 0

    def send(
        self, now: float, sizes: Sequence[int], wanted: Callable[[int, int], bool], leaves_at: float
    ) -> list[Piece]:
        """Begin to send what is next; return the pieces, which arrive when the link is free again.

        A measured link sends one piece after the other, at its pace. Any other link sends one piece
        to each receiver at the same time, and all of these arrive together.
        """
        in_turn = now - self._measured_at <= PROBE_AFTER_S
        max_waiting = self._max_waiting
        batch: list[Piece] = []
        later: list[tuple[int, int, int, int]] = []
        receivers: set[int] = set()
        size = 0
        while self._queue and not (in_turn and batch):
            one = heapq.heappop(self._queue)
            turn, _, to, piece = one
            if to in receivers:
                later.append(one)
                continue
            self._turn = turn
            self._waiting -= sizes[piece]
            if wanted(to, piece):
                batch.append((to, piece))
                receivers.add(to)
                size += sizes[piece]
        for one in later:
            heapq.heappush(self._queue, one)
        if not self._queue:
            self._max_waiting = 0
        if not batch:
            return batch
        rate = (
            min(self.bps, max(PACE * self.bps, 8 * max_waiting / MAX_WAIT_S))
            if in_turn
            else self.bps
        )
        end = min(now + 8 * size / rate, leaves_at)
        self._measure(now, end, full=rate == self.bps)
        self.sent += (end - now) * rate / 8
        self.free_at = end
        return batch

    def _measure(self, start: float, end: float, *, full: bool) -> None:
        if start > self.free_at or not full:
            self._full_since = start
        if full and end - self._full_since >= MEASURED_AFTER_S:
            self._measured_at = end

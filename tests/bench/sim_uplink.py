"""A viewer's uplink in `make sim`, by the rules of the player's uplink, gauge and pacer. No I/O."""

import heapq
import math
from collections.abc import Callable, Sequence

PACE = 0.7
"""the part of a link that sharing takes once the link was measured"""
MAX_WAIT_S = 3.0
"""what waits is sent faster rather than later than this"""
MEASURED_AFTER_S = 1.5
"""a link that is busy so long is measured"""
PROBE_AFTER_S = 30.0
FORGET_AFTER_S = 60.0

Piece = tuple[int, int]
"""a receiver's place and a piece"""


class Uplink:
    """One link, and the pieces that wait for it. Times are seconds."""

    __slots__ = (
        "_full_since",
        "_measured_at",
        "_most",
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
        """when what is under way has been sent"""
        self._queue: list[tuple[int, int, int, int]] = []
        self._order = 0
        self._turn = 0
        """which turn it is"""
        self._turns: dict[int, int] = {}
        """each receiver's last one"""
        self._waiting = self._most = 0
        """bytes; the most since none waited"""
        self._full_since = 0.0
        self._measured_at = -math.inf

    def measured_bps(self, now: float) -> float | None:
        """Return what the viewer tells of its link; None while it was not the limit lately."""
        return self.bps if now - self._measured_at <= FORGET_AFTER_S else None

    def add(self, to: int, piece: int, size: int) -> None:
        """Queue a piece; receivers take turns."""
        self._order += 1
        self._turns[to] = turn = max(self._turn, self._turns.get(to, 0)) + 1
        heapq.heappush(self._queue, (turn, self._order, to, piece))
        self._waiting += size
        self._most = max(self._most, self._waiting)

    def clear(self) -> None:
        """Forget what waits: nobody wants it any more."""
        self._queue.clear()
        self._turns.clear()
        self._waiting = self._most = 0

    def send(
        self, now: float, sizes: Sequence[int], wanted: Callable[[int, int], bool], leaves_at: float
    ) -> list[Piece]:
        """Begin to send what is next; it has arrived when the link is free again.

        A link that was measured takes one piece after the other, at its pace. One that was not has
        a piece for each receiver under way at the same time, and they all arrive together.
        """
        in_turn = now - self._measured_at <= PROBE_AFTER_S
        most = self._most
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
            self._most = 0
        if not batch:
            return batch
        rate = min(self.bps, max(PACE * self.bps, 8 * most / MAX_WAIT_S)) if in_turn else self.bps
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

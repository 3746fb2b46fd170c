"""How a viewer of `make sim` repairs late pieces: player/src/engine/repair.ts in Python. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoal.signaling.rooms.plan import Slice, rank

MAX_REQUESTS = 4
"""open requests to one member at a time"""
INITIAL_S = 1.0
"""until pieces have arrived"""
MIN_S = 0.4
MAX_S = 4.0
MEAN_WEIGHT = 1 / 8
DEVIATION_WEIGHT = 1 / 4


class ExpectedTime:
    """Mean plus four mean deviations of the time from announcement to arrival of pieces."""

    __slots__ = ("_deviation_s", "_mean_s", "seconds")

    def __init__(self) -> None:
        self.seconds = INITIAL_S
        """a piece that takes longer is late"""
        self._mean_s: float | None = None
        self._deviation_s = 0.0

    def add(self, after_s: float) -> None:
        """Note when a pushed piece arrived, seconds after its announcement."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = after_s, after_s / 2
        else:
            off = abs(after_s - self._mean_s)
            self._deviation_s += DEVIATION_WEIGHT * (off - self._deviation_s)
            self._mean_s += MEAN_WEIGHT * (after_s - self._mean_s)
        self.seconds = min(MAX_S, max(MIN_S, self._mean_s + 4 * self._deviation_s))


@dataclass(slots=True)
class RepairView:
    """What a viewer knows of an incomplete segment; members by their index in the roster."""

    you: str
    elapsed_s: float
    expected_s: float
    missing: Sequence[tuple[int, Slice, bool, float]]
    """for each piece that is neither here nor under way: its index, its slice, whether a member is
    to push it to this viewer, and the seconds since that member last delivered anything"""
    linked: Sequence[int]
    availability: Sequence[int]
    """the pieces that each member has announced: bit n for piece n"""
    open_requests: Callable[[int], int]
    """open requests to a member"""


def repair(view: RepairView) -> tuple[list[tuple[int, int]], list[int]]:
    """Return (piece, holder) of each request to make, and the pieces to fetch as a successor."""
    requests: list[tuple[int, int]] = []
    successor_pieces: list[int] = []
    new_requests: dict[int, int] = {}
    for piece, slice_, pushed, quiet_s in view.missing:
        due_s = view.expected_s if quiet_s >= view.expected_s else 2 * view.expected_s
        holders = [by for by in view.linked if view.availability[by] >> piece & 1]
        if view.you in slice_.successors:
            turn = slice_.successors.index(view.you) + 1
            lacking = len(view.linked) - len(holders)
            if view.elapsed_s >= due_s * turn and 2 * lacking > len(view.linked):
                successor_pieces.append(piece)
                continue
        if pushed and view.elapsed_s < due_s:
            continue
        load = [
            (view.open_requests(by) + new_requests.get(by, 0), k) for k, by in enumerate(holders)
        ]
        free = [(count, rank(piece, k, view.you), k) for count, k in load if count < MAX_REQUESTS]
        if free:
            by = holders[min(free)[2]]
            new_requests[by] = new_requests.get(by, 0) + 1
            requests.append((piece, by))
    return requests, successor_pieces

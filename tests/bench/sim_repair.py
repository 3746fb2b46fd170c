"""What a viewer of `make sim` does about late pieces: player/src/engine/repair.ts in Python."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoal.signaling.rooms.plan import Slice, rank

MAX_REQUESTS = 4
"""under way to one member"""
INITIAL_S = 1.0
"""until pieces have been seen to come"""
MIN_S = 0.4
MAX_S = 4.0
MEAN_WEIGHT = 1 / 8
DEVIATION_WEIGHT = 1 / 4


class ExpectedTime:
    """Mean and four mean deviations of when pieces came after their announcement."""

    __slots__ = ("_deviation_s", "_mean_s", "seconds")

    def __init__(self) -> None:
        self.seconds = INITIAL_S
        """after so long a piece is late"""
        self._mean_s: float | None = None
        self._deviation_s = 0.0

    def add(self, after_s: float) -> None:
        """Note a piece that came from who pushes it."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = after_s, after_s / 2
        else:
            off = abs(after_s - self._mean_s)
            self._deviation_s += DEVIATION_WEIGHT * (off - self._deviation_s)
            self._mean_s += MEAN_WEIGHT * (after_s - self._mean_s)
        self.seconds = min(MAX_S, max(MIN_S, self._mean_s + 4 * self._deviation_s))


@dataclass(slots=True)
class Damage:
    """What a viewer knows of a segment that is not complete; members by their place."""

    me: str
    elapsed_s: float
    expected_s: float
    missing: Sequence[tuple[int, Slice, bool, float]]
    """pieces that are not here and not under way; whether somebody is to push them here, and how
    long nothing has come from there, s"""
    linked: Sequence[int]
    told: Sequence[int]
    """what each member says that it has: bit n for piece n"""
    busy: Callable[[int], int]
    """requests under way to a member"""


def repair(damage: Damage) -> tuple[list[tuple[int, int]], list[int]]:
    """Return what to request, and of whom, and what to fetch in its owner's place."""
    requests: list[tuple[int, int]] = []
    step_in: list[int] = []
    asked: dict[int, int] = {}
    for piece, part, pushed, silent_s in damage.missing:
        due_s = damage.expected_s if silent_s >= damage.expected_s else 2 * damage.expected_s
        holders = [by for by in damage.linked if damage.told[by] >> piece & 1]
        if damage.me in part.successors:
            turn = part.successors.index(damage.me) + 1
            lacking = len(damage.linked) - len(holders)
            if damage.elapsed_s >= due_s * turn and 2 * lacking > len(damage.linked):
                step_in.append(piece)
                continue
        if pushed and damage.elapsed_s < due_s:
            continue
        load = [(damage.busy(by) + asked.get(by, 0), k) for k, by in enumerate(holders)]
        free = [(busy, rank(piece, k, damage.me), k) for busy, k in load if busy < MAX_REQUESTS]
        if free:
            by = holders[min(free)[2]]
            asked[by] = asked.get(by, 0) + 1
            requests.append((piece, by))
    return requests, step_in

"""Which viewers of `make sim` can connect, and how long that takes. No I/O."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.sim_crowd import Viewer

CANNOT_CONNECT = 0.2
"""fraction of the pairs that cannot connect without TURN"""
MIN_CONNECT_S = 0.3
MAX_CONNECT_S = 1.5
ATTEMPT_S = 10.0
"""a failing attempt takes this long"""
MAX_UNFINISHED = 6
"""attempts of one viewer at a time"""
FIRST_RETRY_S = 2.0
MAX_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt to connect to another viewer ends."""

    at: float
    to: Viewer
    connected: bool


class Pairs:
    """Draws for each pair of viewers whether it can connect; the same seed gives the same draws."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def connect(self, viewer: Viewer, others: Iterable[Viewer], now: float) -> list[Attempt]:
        """Let a viewer connect to others, a few at a time; return how each attempt ends."""
        free = [now] * MAX_UNFINISHED
        ended: list[Attempt] = []
        for other in others:
            drawn = self._drawn(viewer.number, other.number)
            connected = drawn >= CANNOT_CONNECT
            fraction = (drawn - CANNOT_CONNECT) / (1 - CANNOT_CONNECT)
            takes_s = MIN_CONNECT_S + fraction * (MAX_CONNECT_S - MIN_CONNECT_S)
            end = free[0] + (takes_s if connected else ATTEMPT_S)
            heapq.heapreplace(free, end)
            ended.append(Attempt(end, other, connected))
        return ended

    def _drawn(self, one: int, other: int) -> float:
        """Return a number from 0 to 1 for a pair (SplitMix64's last steps)."""
        low, high = (one, other) if one < other else (other, one)
        value = (low * 0x9E3779B97F4A7C15 + high * 0xD1B54A32D192ED03 + self._seed) & _MASK
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
        return (value ^ value >> 31) / 2**64


_MASK = 2**64 - 1


def retry_after_s(failures: int) -> float:
    """Return how long a viewer waits after this number of failed attempts, seconds."""
    return min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** (failures - 1))

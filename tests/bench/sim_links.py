"""Which viewers of `make sim` can connect, and how long a newcomer takes to. No I/O."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.sim_crowd import Viewer

CANNOT_CONNECT = 0.2
"""the part of the pairs that find no way to each other without TURN"""
MIN_CONNECT_S = 0.3
MAX_CONNECT_S = 1.5
ATTEMPT_S = 10.0
"""what fails, fails after so long"""
MAX_UNFINISHED = 6
"""attempts of one caller at a time"""
FIRST_RETRY_S = 2.0
MAX_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How calling another viewer ends."""

    at: float
    to: Viewer
    connected: bool


class Pairs:
    """What is drawn for each two viewers, and stays: the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def call(self, caller: Viewer, others: Iterable[Viewer], now: float) -> list[Attempt]:
        """Let a newcomer call others, one after another and some at a time; how each call ends."""
        free = [now] * MAX_UNFINISHED
        ended: list[Attempt] = []
        for other in others:
            drawn = self._drawn(caller.number, other.number)
            connected = drawn >= CANNOT_CONNECT
            part = (drawn - CANNOT_CONNECT) / (1 - CANNOT_CONNECT)
            takes_s = MIN_CONNECT_S + part * (MAX_CONNECT_S - MIN_CONNECT_S)
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
    """Return how long a caller waits after so many failed attempts."""
    return min(MAX_RETRY_S, FIRST_RETRY_S * 2 ** (failures - 1))

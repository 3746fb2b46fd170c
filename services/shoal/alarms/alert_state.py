"""Which problems are news, and when. No I/O: times are seconds of a clock that does not go back.

A problem is told once it has stood for a moment, or comes and goes for as long; it is told to be
over once it has been gone for a minute. So one that flaps is told twice, however often it does.
What could not be told is tried again, and what is told then is how things are by then.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from shoal.problems import Problem, Severity

RAISE_AFTER_S = 5.0
"""what heals by itself sooner is nobody's business"""
OVER_AFTER_S = 60.0
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 300.0


@dataclass(frozen=True)
class News:
    """Something that the operator must be told."""

    state: Literal["raised", "over"]
    severity: Severity
    problem: Problem
    """as it was said last; `since` is when it began, pauses of less than a minute included"""


class Heard(msgspec.Struct, frozen=True):
    """A problem that somebody may know of."""

    problem: Problem
    severity: Severity


@dataclass(slots=True)
class _Told:
    """What becomes of one problem, until it is over and that is told."""

    problem: Problem
    severity: Severity
    begun_at: float
    changed_at: float
    stands: bool = True
    tried: bool = False
    """somebody may have heard that it stands"""
    told: Severity | None = None
    """how bad it is known to be; None: nobody has heard of it for sure"""
    failures: int = 0
    not_before: float = float("-inf")

    @property
    def due_at(self) -> float:
        """When there is something to tell, or to forget."""
        if not self.stands:
            at = self.changed_at + OVER_AFTER_S
        elif self.told is None:
            at = self.begun_at + RAISE_AFTER_S
        elif (self.told, self.severity) == ("degraded", "failing"):
            at = self.changed_at
        else:
            return float("inf")
        return max(at, self.not_before)


class Alarms:
    """The problems that somebody may have been told of, or must be."""

    def __init__(self) -> None:
        self._by_code: dict[str, _Told] = {}

    def raised(self, problem: Problem, severity: Severity, now: float) -> None:
        """Take note that a problem stands."""
        known = self._by_code.get(problem.code)
        if known is None:
            self._by_code[problem.code] = _Told(problem, severity, now, now)
            return
        if not known.stands or severity != known.severity:
            known.stands, known.severity, known.changed_at = True, severity, now
        known.problem = Problem(problem.code, problem.message, known.problem.since)

    def over(self, code: str, now: float) -> None:
        """Take note that a problem has gone."""
        known = self._by_code[code]
        known.stands, known.changed_at = False, now

    def next(self, now: float) -> News | float:
        """Return what is to be told now, or for how many seconds there is nothing."""
        for code, known in list(self._by_code.items()):
            if not known.stands and not known.tried and known.due_at <= now:
                del self._by_code[code]
        waiting = sorted(self._by_code.values(), key=lambda known: known.due_at)
        if not waiting:
            return float("inf")
        first = waiting[0]
        if first.due_at > now:
            return first.due_at - now
        if first.stands:
            first.tried = True
            return News("raised", first.severity, first.problem)
        return News("over", first.severity, first.problem)

    def heard(self) -> list[Heard]:
        """Return what somebody may know of."""
        known = self._by_code.values()
        return [Heard(one.problem, one.severity) for one in known if one.tried]

    def resume(self, heard: list[Heard], now: float) -> None:
        """Go on from what the run before had told; what does not stand again soon is over."""
        for one in heard:
            self._by_code[one.problem.code] = _Told(
                *(one.problem, one.severity, now, now),
                stands=False,
                tried=True,
                told=one.severity,
            )

    def told(self, news: News) -> None:
        """Take note that it has been heard."""
        code = news.problem.code
        known = self._by_code[code]
        known.failures, known.not_before = 0, float("-inf")
        if news.state == "raised":
            known.told = news.severity
        elif known.stands:  # it came back meanwhile
            known.told, known.tried, known.begun_at = None, False, known.changed_at
        else:
            del self._by_code[code]

    def failed(self, news: News, now: float) -> None:
        """Take note that it could not be told."""
        known = self._by_code[news.problem.code]
        if news.state == "over":  # it may have been heard all the same
            known.told = None
        known.not_before = now + min(RETRY_MOST_S, RETRY_FIRST_S * 2**known.failures)
        known.failures += 1

"""Decides which alerts are due, and when. No I/O: times are seconds of a monotonic clock.

An alert is due once a problem has lasted for a moment, or has come and gone for as long; another
one, that it is over, once it has been gone for a minute. So a problem that flaps gives two alerts,
however often it comes and goes. An alert that could not be sent is tried again, and then says how
things are by that time.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from shoal.problems import Problem, Severity

RAISE_AFTER_S = 5.0
"""what recovers by itself sooner needs no alert"""
OVER_AFTER_S = 60.0
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 300.0


@dataclass(frozen=True)
class Alert:
    """An alert to send to the operator."""

    state: Literal["raised", "over"]
    severity: Severity
    problem: Problem
    """with its newest message; `since` is when it began, pauses of less than a minute included"""


class SentAlert(msgspec.Struct, frozen=True):
    """A problem to which the operator may have been alerted, as the alert store keeps it."""

    problem: Problem
    severity: Severity


@dataclass(slots=True)
class _Tracked:
    """The state of one problem, until it is over and the operator knows."""

    problem: Problem
    severity: Severity
    began_at: float
    changed_at: float
    active: bool = True
    attempted: bool = False
    """an alert that it is raised may have arrived"""
    sent_severity: Severity | None = None
    """of the last alert that arrived for certain; None without one"""
    failures: int = 0
    not_before: float = float("-inf")

    @property
    def due_at(self) -> float:
        """When there is an alert to send, or this state can be forgotten."""
        if not self.active:
            at = self.changed_at + OVER_AFTER_S
        elif self.sent_severity is None:
            at = self.began_at + RAISE_AFTER_S
        elif (self.sent_severity, self.severity) == ("degraded", "failing"):
            at = self.changed_at
        else:
            return float("inf")
        return max(at, self.not_before)


class AlertState:
    """The problems to which the operator may have been alerted, or must be."""

    def __init__(self) -> None:
        self._by_code: dict[str, _Tracked] = {}

    def problem_raised(self, problem: Problem, severity: Severity, now: float) -> None:
        """Note that a problem is raised, or is still there."""
        tracked = self._by_code.get(problem.code)
        if tracked is None:
            self._by_code[problem.code] = _Tracked(problem, severity, now, now)
            return
        if not tracked.active or severity != tracked.severity:
            tracked.active, tracked.severity, tracked.changed_at = True, severity, now
        tracked.problem = Problem(problem.code, problem.message, tracked.problem.since)

    def problem_over(self, code: str, now: float) -> None:
        """Note that a problem is over."""
        tracked = self._by_code[code]
        tracked.active, tracked.changed_at = False, now

    def next_alert(self, now: float) -> Alert | float:
        """Return the alert to send now, or for how many seconds there is none."""
        for code, tracked in list(self._by_code.items()):
            if not tracked.active and not tracked.attempted and tracked.due_at <= now:
                del self._by_code[code]
        waiting = sorted(self._by_code.values(), key=lambda tracked: tracked.due_at)
        if not waiting:
            return float("inf")
        first = waiting[0]
        if first.due_at > now:
            return first.due_at - now
        if first.active:
            first.attempted = True
            return Alert("raised", first.severity, first.problem)
        return Alert("over", first.severity, first.problem)

    def sent(self) -> list[SentAlert]:
        """Return the problems to which the operator may have been alerted."""
        return [
            SentAlert(tracked.problem, tracked.severity)
            for tracked in self._by_code.values()
            if tracked.attempted
        ]

    def restore(self, sent: list[SentAlert], now: float) -> None:
        """Continue from what the previous run sent; problems not raised again soon are over."""
        for alert in sent:
            self._by_code[alert.problem.code] = _Tracked(
                *(alert.problem, alert.severity, now, now),
                active=False,
                attempted=True,
                sent_severity=alert.severity,
            )

    def mark_sent(self, alert: Alert) -> None:
        """Note that an alert has arrived."""
        code = alert.problem.code
        tracked = self._by_code[code]
        tracked.failures, tracked.not_before = 0, float("-inf")
        if alert.state == "raised":
            tracked.sent_severity = alert.severity
        elif tracked.active:  # raised again in the meantime
            tracked.sent_severity, tracked.attempted = None, False
            tracked.began_at = tracked.changed_at
        else:
            del self._by_code[code]

    def mark_failed(self, alert: Alert, now: float) -> None:
        """Note that an alert could not be sent; it is due again after a growing pause."""
        tracked = self._by_code[alert.problem.code]
        if alert.state == "over":  # it may have arrived all the same
            tracked.sent_severity = None
        tracked.not_before = now + min(MAX_RETRY_S, FIRST_RETRY_S * 2**tracked.failures)
        tracked.failures += 1

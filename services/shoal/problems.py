"""Problems that exist now: raised once, logged once, cleared by the code that raised them."""

import logging
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec
from prometheus_client import Gauge

log = logging.getLogger("shoal.problems")

PROBLEM = Gauge("shoal_problem", "1 while the problem stands", ["code"])

Severity = Literal["degraded", "failing"]


class Problem(msgspec.Struct, frozen=True):
    """One entry of `problems` in `/health`."""

    code: str
    message: str
    since: str
    """ISO 8601"""


class ProblemListener(Protocol):
    """Is notified when problems are raised and when they are over."""

    def problem_raised(self, problem: Problem, severity: Severity) -> None:
        """Note that a problem is raised; called again each time it is reported again."""

    def problem_over(self, code: str) -> None:
        """Note that a problem is over."""


class Problems:
    """The problems that exist now, by code."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[Problem, Severity]] = {}
        self.listener: ProblemListener | None = None

    def report(self, code: str, message: str, severity: Severity) -> None:
        """Raise a problem, or update its message. Only a new problem is logged."""
        standing = self._standing.get(code)
        since = standing[0].since if standing else datetime.now(UTC).isoformat()
        problem = Problem(code, message, since)
        self._standing[code] = problem, severity
        if standing is None:
            PROBLEM.labels(code).set(1)
            log.error("%s: %s", code, message)
        if self.listener is not None:
            self.listener.problem_raised(problem, severity)

    def clear(self, code: str) -> None:
        """End a problem, if it exists."""
        if self._standing.pop(code, None):
            PROBLEM.labels(code).set(0)
            log.info("%s: over", code)
            if self.listener is not None:
                self.listener.problem_over(code)

    @property
    def status(self) -> Literal["ok", "degraded", "failing"]:
        """The worst severity of all problems; "ok" without any."""
        severities = {severity for _, severity in self._standing.values()}
        if "failing" in severities:
            return "failing"
        return "degraded" if severities else "ok"

    def standing(self) -> list[Problem]:
        """Return the problems that exist now, oldest first."""
        return sorted((p for p, _ in self._standing.values()), key=lambda p: p.since)

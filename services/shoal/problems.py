"""Problems that stand now: raised once, logged once, cleared by whoever raised them."""

import logging
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec
from prometheus_client import Gauge

log = logging.getLogger("shoal.problems")

PROBLEM = Gauge("shoal_problem", "1 while the problem stands", ["code"])

Severity = Literal["degraded", "failing"]


class Problem(msgspec.Struct, frozen=True):
    """One entry of `/health`'s `problems`."""

    code: str
    message: str
    since: str
    """ISO 8601"""


class Listener(Protocol):
    """Who is told what becomes of problems."""

    def raised(self, problem: Problem, severity: Severity) -> None:
        """Hear that a problem stands; again whenever it is reported again."""

    def over(self, code: str) -> None:
        """Hear that a problem that stood has gone."""


class Problems:
    """The problems that stand, by code."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[Problem, Severity]] = {}
        self.listener: Listener | None = None

    def report(self, code: str, message: str, severity: Severity) -> None:
        """Note a problem. It is logged when it is new; `/health` has its newest message."""
        standing = self._standing.get(code)
        since = standing[0].since if standing else datetime.now(UTC).isoformat()
        problem = Problem(code, message, since)
        self._standing[code] = problem, severity
        if standing is None:
            PROBLEM.labels(code).set(1)
            log.error("%s: %s", code, message)
        if self.listener is not None:
            self.listener.raised(problem, severity)

    def clear(self, code: str) -> None:
        """Note that a problem has gone, if it stood."""
        if self._standing.pop(code, None):
            PROBLEM.labels(code).set(0)
            log.info("%s: over", code)
            if self.listener is not None:
                self.listener.over(code)

    @property
    def status(self) -> Literal["ok", "degraded", "failing"]:
        """The worst severity that stands."""
        severities = {severity for _, severity in self._standing.values()}
        if "failing" in severities:
            return "failing"
        return "degraded" if severities else "ok"

    def standing(self) -> list[Problem]:
        """The problems that stand, oldest first."""
        return sorted((p for p, _ in self._standing.values()), key=lambda p: p.since)

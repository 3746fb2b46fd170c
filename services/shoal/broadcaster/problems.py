"""Problems that stand now: raised once, logged once, cleared by whoever raised them."""

import logging
from typing import Literal

import msgspec

log = logging.getLogger("shoal.broadcaster")

Severity = Literal["degraded", "failing"]


class Problem(msgspec.Struct, frozen=True):
    """One entry of `/health`'s `problems`."""

    code: str
    message: str
    since: str
    """ISO 8601"""


class Problems:
    """The problems that stand, by code."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[Problem, Severity]] = {}

    def report(self, code: str, message: str, *, severity: Severity, now: str) -> None:
        """Note a problem; it is logged when it is new or says something else than before."""
        standing = self._standing.get(code)
        if standing is not None and standing[0].message == message:
            return
        since = standing[0].since if standing else now
        self._standing[code] = Problem(code, message, since), severity
        log.error("%s: %s", code, message)

    def clear(self, code: str) -> None:
        """Note that a problem has gone, if it stood."""
        if self._standing.pop(code, None):
            log.info("%s: over", code)

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

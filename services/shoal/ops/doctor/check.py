"""What a check finds, and what keeps it from finding anything."""

from dataclasses import dataclass
from typing import Literal

import msgspec

State = Literal["ok", "broken", "warning", "skipped"]


@dataclass(frozen=True)
class Finding:
    """How a check went."""

    state: State
    saw: str
    """what was there; of a skipped check: why it could not be made"""
    fix: str = ""
    """what to do; empty when there is nothing to do"""


class Result(msgspec.Struct, frozen=True):
    """One check as `shoal doctor --json` prints it."""

    name: str
    state: State
    saw: str
    why: str
    """why it matters"""
    fix: str


class Diagnosis(msgspec.Struct, frozen=True):
    """What `shoal doctor --json` prints."""

    url: str
    checks: tuple[Result, ...]

    @property
    def broken(self) -> bool:
        """Whether anything is broken."""
        return any(check.state == "broken" for check in self.checks)


class NotKnownError(Exception):
    """What a check needs is not there; the message says why, another check whose fault it is."""


class NoAnswerError(Exception):
    """An address that does not answer; the message names it and says what came instead."""


class UnreachableError(NoAnswerError):
    """No connection to the station at all: one check says so, all others need not."""


def ok(saw: str) -> Finding:
    """All is as it should be."""
    return Finding("ok", saw)


def broken(saw: str, fix: str) -> Finding:
    """Viewers, or the station's purpose, suffer now."""
    return Finding("broken", saw, fix)


def warning(saw: str, fix: str) -> Finding:
    """Nothing suffers now, but it should not stay so."""
    return Finding("warning", saw, fix)


def skipped(reason: str) -> Finding:
    """The check could not be made, or makes no sense here."""
    return Finding("skipped", reason)

"""Checks and their findings, and how all checks run side by side, each within its own timeout."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from shoal.ops.doctor.probe_context import (
    CannotCheckError,
    NoAnswerError,
    ProbeContext,
    UnreachableError,
)

TIMEOUT_S = 12.0
NO_ANSWER_FIX = (
    "check that the service behind that address is running, and read its log"
    " (`systemctl status shoal-* owncast cloudflared`, or the logs of `shoal up`)"
)

State = Literal["ok", "broken", "warning", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    state: State
    saw: str
    """what was observed; for a skipped check, why it could not run"""
    fix: str = ""
    """what to do; empty when there is nothing to do"""


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong."""

    name: str
    why: str
    """why it matters"""
    probe: Callable[[ProbeContext], Awaitable[Finding]]
    """may raise CannotCheckError, NoAnswerError, and anything that a bad response leads to"""
    timeout_s: float = TIMEOUT_S


class CheckResult(msgspec.Struct, frozen=True):
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
    checks: tuple[CheckResult, ...]

    @property
    def broken(self) -> bool:
        """Whether anything is broken."""
        return any(check.state == "broken" for check in self.checks)


def ok(saw: str) -> Finding:
    """Return a finding: all is as it should be."""
    return Finding("ok", saw)


def broken(saw: str, fix: str) -> Finding:
    """Return a finding: viewers, or the purpose of the station, suffer now."""
    return Finding("broken", saw, fix)


def warning(saw: str, fix: str) -> Finding:
    """Return a finding: nothing suffers now, but it should not stay like this."""
    return Finding("warning", saw, fix)


def skipped(reason: str) -> Finding:
    """Return a finding: the check could not run, or does not apply here."""
    return Finding("skipped", reason)


async def run_all(checks: Sequence[Check], context: ProbeContext) -> tuple[CheckResult, ...]:
    """Return the results in the order of the checks. No fault of a station makes it raise."""
    return tuple(await asyncio.gather(*(_run(check, context) for check in checks)))


async def _run(check: Check, context: ProbeContext) -> CheckResult:
    try:
        async with asyncio.timeout(check.timeout_s):
            finding = await check.probe(context)
    except CannotCheckError as error:
        finding = skipped(str(error))
    except UnreachableError:
        finding = skipped("cannot connect to the station: see `connection`")
    except NoAnswerError as error:
        finding = broken(str(error), NO_ANSWER_FIX)
    except TimeoutError:
        finding = broken(f"no result within {check.timeout_s:g} s", NO_ANSWER_FIX)
    except Exception as error:  # noqa: BLE001 - one strange response must not hide all other results
        finding = broken(
            f"the response makes no sense: {error!r}",
            "make sure that the station runs the same version of Shoal as this command",
        )
    return CheckResult(check.name, finding.state, finding.saw, check.why, finding.fix)

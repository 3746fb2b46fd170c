"""A check, and how all of them are made side by side, each within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shoal.ops.doctor.check import (
    Finding,
    NoAnswerError,
    NotKnownError,
    Result,
    UnreachableError,
    broken,
    skipped,
)
from shoal.ops.doctor.probe_context import Visit

LIMIT_S = 12.0
NO_ANSWER_FIX = (
    "see that what should answer there runs and what its log says"
    " (`systemctl status shoal-* owncast cloudflared`, or the logs of `shoal up`)"
)


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong."""

    name: str
    why: str
    look: Callable[[Visit], Awaitable[Finding]]
    """may raise NotKnownError, NoAnswerError, and whatever bad answers make of it"""
    limit_s: float = LIMIT_S


async def make_all(checks: Sequence[Check], visit: Visit) -> tuple[Result, ...]:
    """Return the results in the order of the checks; raises nothing that a station can cause."""
    return tuple(await asyncio.gather(*(_make(check, visit) for check in checks)))


async def _make(check: Check, visit: Visit) -> Result:
    try:
        async with asyncio.timeout(check.limit_s):
            finding = await check.look(visit)
    except NotKnownError as error:
        finding = skipped(str(error))
    except UnreachableError:
        finding = skipped("no connection to the station: see `connection`")
    except NoAnswerError as error:
        finding = broken(str(error), NO_ANSWER_FIX)
    except TimeoutError:
        finding = broken(f"no result within {check.limit_s:g} s", NO_ANSWER_FIX)
    except Exception as error:  # noqa: BLE001 - one strange answer must not hide all other results
        finding = broken(
            f"what came makes no sense: {error!r}",
            "see that the station runs this version of Shoal",
        )
    return Result(check.name, finding.state, finding.saw, check.why, finding.fix)

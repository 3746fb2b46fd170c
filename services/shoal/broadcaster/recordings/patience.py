"""Requests to the store that may wait: one at a time, again and again while it fails."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shoal.broadcaster.metrics import STORE_ERRORS
from shoal.broadcaster.store import StoreError
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

FIRST_S = 0.5
MOST_S = 30.0

T = TypeVar("T")


class Patience:
    """Repeats what the store fails, and says so among the problems while it lasts."""

    def __init__(self, problems: Problems, code: str) -> None:
        self._problems = problems
        self._code = code

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, once it raises no StoreError."""
        delay_s = FIRST_S
        while True:
            try:
                result = await attempt()
            except StoreError as error:
                STORE_ERRORS.inc()
                self._problems.report(self._code, f"replay: {error}", "degraded")
                await asyncio.sleep(delay_s * random.uniform(0.5, 1))
                delay_s = min(MOST_S, delay_s * 2)
            else:
                self._problems.clear(self._code)
                return result

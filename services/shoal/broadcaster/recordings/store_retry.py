"""Store requests that may wait: each is retried until the store answers it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from shoal.broadcaster.metrics import STORE_ERRORS
from shoal.broadcaster.store import StoreError
from shoal.problems import Problems

T = TypeVar("T")

_retry = stamina.AsyncRetryingCaller(
    attempts=None, timeout=None, wait_initial=0.25, wait_max=30.0, wait_jitter=0.25
)


class StoreRetry:
    """Retries what the store fails, and reports a problem for as long as it does."""

    def __init__(self, problems: Problems, code: str) -> None:
        self._problems = problems
        self._code = code

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `request`, which is repeated for as long as it raises StoreError."""

        async def attempt() -> T:
            try:
                result = await request()
            except StoreError as error:
                STORE_ERRORS.inc()
                self._problems.report(self._code, f"replay: {error}", "degraded")
                raise
            self._problems.clear(self._code)
            return result

        return await _retry(StoreError, attempt)

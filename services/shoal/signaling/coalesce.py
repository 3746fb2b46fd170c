"""Acting on changes without acting on each one."""

import asyncio
from collections.abc import AsyncIterator


async def coalesced(changed: asyncio.Event, interval_s: float) -> AsyncIterator[None]:
    """Yield once after one or many settings of `changed`, and at most every `interval_s` seconds.

    The first change is passed on at once.
    """
    while True:
        await changed.wait()
        changed.clear()
        yield
        await asyncio.sleep(interval_s)

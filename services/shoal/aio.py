"""Small asyncio helpers that several services use."""

import asyncio
from collections.abc import AsyncIterator, Coroutine


async def until_first_ends(*coroutines: Coroutine[None, None, None]) -> None:
    """Run coroutines concurrently until one ends; cancel the others and re-raise its exception."""
    tasks = {asyncio.create_task(coroutine) for coroutine in coroutines}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def coalesced(changed: asyncio.Event, interval_s: float) -> AsyncIterator[None]:
    """Yield after one or more changes, at most once every `interval_s` seconds.

    The first change yields immediately.
    """
    while True:
        await changed.wait()
        changed.clear()
        yield
        await asyncio.sleep(interval_s)


class Changes:
    """Wakes all tasks that wait for the next change of something; each reads for itself what it is.

    A task takes `next` before it reads, and waits for it afterwards, so that it misses nothing.
    """

    def __init__(self) -> None:
        self.next = asyncio.Event()
        """set by the next change"""

    def notify(self) -> None:
        """Something has changed."""
        self.next.set()
        self.next = asyncio.Event()

"""Coroutines that run beside each other until the first of them ends."""

import asyncio
from collections.abc import Coroutine


async def until_first_ends(*coroutines: Coroutine[None, None, None]) -> None:
    """Run all; when one ends the others are cancelled, and what it raised is raised."""
    tasks = {asyncio.create_task(coroutine) for coroutine in coroutines}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

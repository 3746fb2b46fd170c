import asyncio

from shoal.aio import coalesced


async def test_the_first_change_yields_at_once_and_later_ones_together() -> None:
    changed = asyncio.Event()
    passed: list[float] = []
    clock = asyncio.get_running_loop().time
    interval_s = 0.05
    changed.set()
    async with asyncio.timeout(5):
        async for _ in coalesced(changed, interval_s):
            passed.append(clock())
            if len(passed) == 2:
                break
            for _ in range(3):
                changed.set()
    assert passed[1] - passed[0] >= interval_s * 0.9
    assert not changed.is_set()

"""What is said when the tracker cannot be asked."""

import asyncio

import pytest
from aiohttp import web

from shoal.broadcaster.seeding.tracker_scraper import Watch
from shoal.web import application, error_response, start
from tests.integration.signaling_station import free_url


async def fault_of(url: str) -> str:
    lost = asyncio.Event()
    watch = Watch(url, lambda: (), lambda _: None, lost.set)
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        await lost.wait()
    running.cancel()
    await asyncio.wait({running})
    assert watch.fault is not None
    return watch.fault


@pytest.mark.parametrize("answers", [False, True])
async def test_the_seeder_s_token_is_in_no_fault(answers: bool) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return error_response(403, "origin", "no")

    url = free_url()
    app = application("signaling")
    app.router.add_get("/ws", refuse)
    runner = await start(app, "signaling", url) if answers else None
    fault = await fault_of(f"{url.replace('http', 'ws')}/ws?seed=secret-of-the-seeder")
    if runner is not None:
        await runner.cleanup()
    assert "/ws" in fault
    assert "secret" not in fault

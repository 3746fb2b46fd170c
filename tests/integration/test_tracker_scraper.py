"""The fault when the tracker cannot be scraped."""

import asyncio

import pytest
from aiohttp import web

from shoal.broadcaster.seeding.tracker_scraper import TrackerScraper
from shoal.web import application, error_response, start
from tests.integration.signaling_station import free_url


async def fault_of(url: str) -> str:
    lost = asyncio.Event()
    scraper = TrackerScraper(url, lambda: (), lambda _: None, lost.set)
    running = asyncio.create_task(scraper.run())
    async with asyncio.timeout(10):
        await lost.wait()
    running.cancel()
    await asyncio.wait({running})
    assert scraper.fault is not None
    return scraper.fault


@pytest.mark.parametrize("answers", [False, True])
async def test_a_fault_never_contains_the_seeders_token(answers: bool) -> None:
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

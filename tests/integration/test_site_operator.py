"""The site's statistics of the station, and who may read them."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from shoal.signaling.stats.history import STEP_S
from shoal.site.counter_history import FIRST_AFTER_S
from shoal.web import application, metrics, start
from tests.integration.site_station import OPERATOR, Site, running_site


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Site]:
    async with running_site(tmp_path) as started:
        yield started


async def test_detailed_statistics_require_the_operator_token(running: Site) -> None:
    await running.start_services()
    url = f"{running.url}/api/station"
    async with running.session.get(url) as public:
        assert public.headers["Cache-Control"] == "no-store"
        assert await public.json() == {"live": False, "viewers": 0, "share": None}
    async with running.session.get(url, headers={"Authorization": "Bearer wrong"}) as wrong:
        assert wrong.status == 401
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(url, headers=headers) as operator:
        station = await operator.json()
    assert station["services"] == {
        "broadcaster": {"status": "failing", "problems": []},
        "signaling": {
            "status": "ok",
            "viewers": 0,
            "broadcasters": 0,
            "chunks": 0,
            "problems": [],
        },
        "gateway": {"status": "ok"},
    }
    assert station["ec2_video"] == {"services": 0, "gateway": 0}
    assert station["bytes"] == {"p2p": 0, "store": 0, "seed": 0}
    assert (station["peers"], station["not_sharing"], station["store_sent"]) == (0, 0, 1234)
    assert station["since"]["store"] == "2030-03-17T17:46:40+00:00"
    assert station["since"]["viewers"] == station["since"]["gateway"]  # one process here


@pytest.mark.parametrize("path", ["/api/history", "/api/viewers"])
async def test_history_and_viewers_require_the_operator_token(running: Site, path: str) -> None:
    url = running.url + path
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with running.session.get(url, headers=headers) as refused:
            assert refused.status == 401
            assert (await refused.json())["error"]["code"] == "unauthorized"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(url, headers=headers) as down:
        assert down.status == 503
        assert down.headers["Cache-Control"] == "no-store"
        assert (await down.json())["error"]["code"] == "signaling_unreachable"
    await running.start_services()
    async with running.session.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert (answer.headers["Cache-Control"], answer.headers["X-Shoal"]) == ("no-store", "site")
        body = await answer.json()
    assert body["viewers"] == []
    async with running.session.get(url, headers=headers, params={"after": "soon"}) as wrong:
        assert wrong.status == (400 if path == "/api/history" else 200)


class Stream:
    """The events of one `/api/events`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, wanted: str) -> Any:
        """Return the data of the next event of this name."""
        async with asyncio.timeout(2 * STEP_S):
            while True:
                name = (await self.response.content.readuntil(b"\n")).decode()
                data = (await self.response.content.readuntil(b"\n\n")).decode()
                if name == f"event: {wanted}\n":
                    return json.loads(data.removeprefix("data: "))


async def test_statistics_are_streamed_as_events(running: Site) -> None:
    url, bearer = f"{running.url}/api/events", {"Authorization": f"Bearer {OPERATOR}"}
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with running.session.get(url, headers=headers) as refused:
            assert refused.status == 401
    for after in ("soon", "nan", "1e999"):
        async with running.session.get(url, headers=bearer, params={"after": after}) as refused:
            assert (refused.status, refused.headers["Cache-Control"]) == (400, "no-store")
    started_at = time.time()
    params = {"after": f"{started_at}", "room": "none"}
    async with running.session.get(url, headers=bearer, params=params) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        events = Stream(response)
        down = await events.next("station")
        assert (down["viewers"], down["services"]["signaling"]["status"]) == (None, "unreachable")
        assert await events.next("rooms") is None
        await running.start_services()
        assert await events.next("rooms") == {"rooms": [], "apart": 0, "picture": None}
        assert (await events.next("station"))["viewers"] == 0
        rows = await events.next("history")
        assert rows["viewers"] == [0]
        assert rows["at"][0] > started_at
        # the stream ends when the site stops, and does not delay that
        stopping = time.monotonic()
        await running.runners.pop(0).cleanup()
        assert time.monotonic() - stopping < 3
        await response.content.read()  # raises if the stream was cut off


async def test_counters_are_sampled_for_the_operator_only(running: Site) -> None:
    url = f"{running.url}/api/counters"
    async with running.session.get(url) as refused:
        assert refused.status == 401
    await running.start_services()
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    history: dict[str, Any] = {"rows": []}
    async with asyncio.timeout(FIRST_AFTER_S + 5):
        while len(history["rows"]) < 2:  # a sample, and the current values
            await asyncio.sleep(0.2)
            async with running.session.get(url, headers=headers) as answer:
                history = await answer.json()
    rows = history["rows"]
    assert rows[0]["at"] <= rows[1]["at"]
    assert rows[1]["requests"]["site"] > 1
    assert rows[1]["store_sent"] == 1234
    assert datetime.fromisoformat(history["started"]["site"]) < datetime.now(UTC)


async def test_responses_of_other_software_are_not_proxied(running: Site) -> None:
    stranger = application("stranger")
    stranger.router.add_get("/viewers", metrics)
    running.runners.append(await start(stranger, "stranger", running.signaling_url))
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(f"{running.url}/api/viewers", headers=headers) as answer:
        assert answer.status == 503

"""The proxy tells the tracker what libtorrent does not, and frees libtorrent's memory."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from shoal.broadcaster.seeding.supervisor import SeederSupervisor
from shoal.broadcaster.seeding.tracker_proxy import TrackerProxy
from shoal.broadcaster.torrents import tracker_of
from tests.bench.record import memory_mb
from tests.integration.signaling_station import TIMEOUT_S, Client, Signaling, running_signaling
from tests.support.torrents import Published, publish

WINDOW = 20
SETTLED = 600
TORRENTS = 1_600
LEAK_KB = 6.0
"""what libtorrent keeps of a torrent that is not named again"""


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling(max_messages_per_s=1000) as running:
        yield running


@asynccontextmanager
async def running(runner: TrackerProxy | SeederSupervisor) -> AsyncGenerator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def seeder_of(service: Signaling) -> SeederSupervisor:
    return SeederSupervisor(tracker_url=service.seed_url, upload_mbps=10, offers=1)


async def connect(service: Signaling, url: str) -> Client:
    client = Client(await service.session.ws_connect(url))
    service.clients.append(client)
    return client


async def seeds(client: Client, published: Published) -> int:
    info_hash = bytes.fromhex(published.torrent.infohash).decode("latin-1")
    await client.send(action="scrape", info_hash=info_hash)
    return (await client.next())["files"][info_hash]["complete"]


async def test_the_tracker_learns_that_a_torrent_is_no_longer_seeded(
    service: Signaling, tmp_path: Path
) -> None:
    published = publish(tmp_path, 1, tracker_of(service.url))
    client = await connect(service, service.seed_url)
    seeder = seeder_of(service)
    async with running(seeder):
        for _ in range(2):  # a torrent may return
            seeder.add(published.torrent, published.path)
            await asyncio.wait_for(seeder.until_announced(published.torrent.infohash), TIMEOUT_S)
            assert await seeds(client, published) == 1
            seeder.remove(published.torrent.infohash)
            async with asyncio.timeout(TIMEOUT_S):
                while await seeds(client, published):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


async def test_removed_torrents_use_no_memory(service: Signaling, tmp_path: Path) -> None:
    seeder = seeder_of(service)
    async with running(seeder):
        window: deque[Published] = deque()
        before_mb = 0.0
        for index in range(TORRENTS):
            published = publish(tmp_path, index, tracker_of(service.url), size=100_000)
            seeder.add(published.torrent, published.path)
            window.append(published)
            if len(window) > WINDOW:
                old = window.popleft()
                await asyncio.wait_for(seeder.until_announced(old.torrent.infohash), TIMEOUT_S)
                seeder.remove(old.torrent.infohash)
                old.path.unlink()
            if index == SETTLED:
                before_mb = memory_mb(seeder.pid or 0)
        grown_kb = (memory_mb(seeder.pid or 0) - before_mb) * 1000 / (TORRENTS - SETTLED)
    print(f"\n{grown_kb:.2f} KB a torrent, from {before_mb:.1f} MB")  # noqa: T201
    assert before_mb > 0
    assert grown_kb < LEAK_KB / 3


async def test_only_clients_that_know_the_path_reach_the_tracker(service: Signaling) -> None:
    proxy = TrackerProxy(service.seed_url)
    async with running(proxy):
        client = await connect(service, proxy.url)
        announce = {"action": "announce", "info_hash": "ÿ" * 20, "peer_id": "-XX0001-000000000000"}
        await client.send(**announce, left=0)
        assert (await client.next())["complete"] == 1
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await service.session.ws_connect(proxy.url.rpartition("/")[0] + "/")
        assert refused.value.status == 404

        await service.stop()
        assert await client.closed() is not None
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await service.session.ws_connect(proxy.url)
        assert refused.value.status == 502

"""The stats that viewers report, and the totals that operators see."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from shoal.announcements import Segment
from shoal.signaling.service import log_counts
from tests.integration.signaling_station import Signaling, running_signaling
from tests.unit.signaling.make import descriptor

STARTUP = {"p2p": 0, "store": 100, "seed": 0}


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def test_stats_outlive_their_viewers_and_implausible_ones_do_not_count(
    service: Signaling,
) -> None:
    ann, ben = await service.join(), await service.join()
    stats = {"startup": STARTUP, "uploaded": 7, "peers": 1, "stalls": 2, "latency_s": 9.5}
    await ann.send(type="stats", bytes={"p2p": 600, "store": 500, "seed": 0}, **stats)
    await ann.send(type="stats", bytes={"p2p": 10**15, "store": 500, "seed": 0}, **stats)
    await ann.send(type="stats", bytes={"p2p": 1, "store": 500, "seed": 0}, **stats)
    await ann.ws.close()
    await ben.room_of(1)
    assert await service.get("/stats") == {
        "viewers": 1,
        "broadcasters": 0,
        "chunks": 0,
        "rooms": 1,
        "peers": 0,
        "not_sharing": 0,
        "bytes": {"p2p": 600, "store": 500, "seed": 0},
        "startup": STARTUP,
        "recent": {"p2p": 0, "store": 0, "seed": 0},
        "uploaded": 7,
        "wanted": 0,
        "share": 0.6,
        "stalls": 2,
        "latency_s": None,
        "live": False,
        "stream": None,
        "replays": {
            "viewers": 0,
            "linked": 0,
            "bytes": {**STARTUP, "store": 0},
            "uploaded": 0,
            "stalls": 0,
        },
    }
    metrics = await service.text("/metrics")
    assert 'shoal_viewer_bytes_total{source="p2p"} 600.0' in metrics
    assert 'shoal_room_stats_refused_total{reason="too_fast"}' in metrics
    assert "shoal_viewers 1.0" in metrics


async def test_sharing_and_linked_viewers_are_counted(service: Signaling) -> None:
    ann, ben = await service.join(), await service.join()
    other = await service.connect()
    await other.send(type="join", plan_version=2, variant=0, sharing=False, token=service.token())
    assert (await other.next())["type"] == "stream"
    none = {"p2p": 0, "store": 0, "seed": 0}
    rest = {"bytes": none, "startup": none, "uploaded": 0, "stalls": 0}
    for viewer, links in ((ann, 1), (ben, 0), (other, 0)):
        await viewer.send(type="stats", peers=links, **rest)
    await ann.ws.close()
    await ben.room_of(1)
    await ben.send(type="stats", peers=1, **rest)
    await ben.send(type="ready")
    await ben.until(lambda m: m["type"] == "room" and m["members"][0]["ready"])
    stats = await service.get("/stats")
    assert (stats["viewers"], stats["peers"], stats["not_sharing"]) == (2, 1, 1)
    assert "shoal_not_sharing_viewers 1.0" in await service.text("/metrics")


async def test_bytes_beyond_what_was_published_do_not_count(service: Signaling) -> None:
    broadcaster = await service.broadcaster()
    ann = await service.join()
    await broadcaster.announce(Segment(descriptor(1)))
    await ann.until(lambda m: m["type"] == "segment")
    none = {"p2p": 0, "store": 0, "seed": 0}
    rest = {"startup": none, "uploaded": 0, "stalls": 0, "peers": 1}
    most = (1 + 60) * descriptor(1).size
    await ann.send(type="stats", bytes={**none, "p2p": most}, **rest)
    await ann.send(type="stats", bytes={**none, "p2p": most + 1}, **rest)
    ben = await service.join()
    await ann.ws.close()
    await ben.room_of(1)
    assert (await service.get("/stats"))["bytes"]["p2p"] == most
    refused = 'shoal_room_stats_refused_total{reason="too_much"}'
    assert refused in await service.text("/metrics")


async def test_operators_read_the_counts(
    service: Signaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr("shoal.signaling.service.log.info", lines.put_nowait)
    task = asyncio.create_task(log_counts(service.room_service, interval_s=0.01))
    expected = {"Active Viewers: 1", "Active Broadcasters: 1", "Total Chunks Processed: 1"}
    broadcaster = await service.broadcaster()
    await broadcaster.announce(Segment(descriptor(1)))
    await service.join()
    async with asyncio.timeout(5):
        while expected:
            expected.discard(await lines.get())
    task.cancel()
    await asyncio.wait({task})

"""Viewers of replays, with real sockets."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from shoal.announcements import KeptReplay, Replays, Segment
from tests.integration.signaling_station import Client, Signaling, running_signaling
from tests.unit.signaling.make import descriptor

KEPT = Replays((KeptReplay("one-1", 60_000_000, 600.0), KeptReplay("two-1", 60_000_000, 600.0)))
STATS = {
    "startup": {"p2p": 0, "store": 0, "seed": 0},
    **{"uploaded": 0, "peers": 1, "stalls": 0, "latency_s": None, "uplink_bps": None},
}


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def broadcasting(service: Signaling) -> Client:
    broadcaster = await service.broadcaster()
    await broadcaster.next()
    await broadcaster.announce(KEPT)
    await broadcaster.announce(Segment(descriptor(1)))
    return broadcaster


async def test_only_viewers_of_the_same_replay_share_a_room(service: Signaling) -> None:
    broadcaster = await broadcasting(service)
    live = await service.join()
    await live.until(lambda m: m["type"] == "segment")
    ann, ben = [await service.join(replay="one-1") for _ in range(2)]
    await service.join(replay="two-1")
    roster = await ann.room_of(2)
    assert [member["id"] for member in roster["members"]] == [ann.id, ben.id]
    await ben.send(type="signal", to=ann.id, data={"candidates": []})
    assert (await ann.until(lambda m: m["type"] == "signal"))["from"] == ben.id
    # the live stream continues, and does not reach them
    await broadcaster.announce(Segment(descriptor(2)))
    await live.until(lambda m: m["type"] == "segment" and m["descriptor"]["sequence"] == 2)
    await ben.send(type="stats", bytes={"p2p": 1000, "store": 3000, "seed": 0}, **STATS)
    await ann.send(type="stats", bytes={"p2p": 10**12, "store": 0, "seed": 0}, **STATS)
    await ann.ws.close()
    await ben.room_of(1)
    stats = await service.get("/stats")
    assert stats["replays"] == {
        **{"viewers": 2, "linked": 1, "uploaded": 0, "stalls": 0},
        "bytes": {"p2p": 1000, "store": 3000, "seed": 0},
    }
    assert (stats["viewers"], stats["bytes"]) == (1, {"p2p": 0, "store": 0, "seed": 0})
    assert (await service.get("/health"))["viewers"] == 1


async def test_an_unknown_replay_is_refused(service: Signaling) -> None:
    client = await service.connect()
    await client.send(type="join", plan_version=2, variant=0, token=service.token(), replay="one-1")
    assert (await client.next())["code"] == "unknown_replay"
    assert await client.closed() == 1008
    await broadcasting(service)
    await service.join(replay="one-1")

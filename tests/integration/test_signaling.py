"""`/ws/room` with real sockets."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from shoal.announcements import Segment, Stream
from shoal.signaling import viewer_connection, websocket
from shoal.signaling.websocket import MESSAGES_DROPPED
from tests.integration.signaling_station import Client, Signaling, running_signaling
from tests.unit.signaling.make import descriptor


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def test_joining_brings_stream_then_room_then_the_last_six_segments(
    service: Signaling,
) -> None:
    broadcaster = await service.broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    watcher = await service.join()
    for sequence in range(1, 9):
        await broadcaster.announce(Segment(descriptor(sequence)))
    await watcher.until(lambda m: m["type"] == "segment" and m["descriptor"]["sequence"] == 8)

    viewer = await service.connect()
    await viewer.send(type="join", plan_version=2, variant=0, token=service.token())
    assert await viewer.next() == {"type": "stream", "stream": "abc", "live": True}
    room = await viewer.next()
    assert (room["type"], room["plan_version"]) == ("room", 2)
    assert [line["id"] for line in room["members"]] == [watcher.id, room["you"]]
    segments = [await viewer.next() for _ in range(6)]
    assert [m["descriptor"]["sequence"] for m in segments] == [3, 4, 5, 6, 7, 8]
    assert {m["epoch"] for m in segments} == {room["epoch"]}


async def test_everybody_learns_who_joins_gets_ready_and_leaves(service: Signaling) -> None:
    ann = await service.join()
    ben = await service.join()
    room = await ann.room_of(2)
    assert [line["id"] for line in room["members"]] == [ann.id, ben.id]
    await ben.send(type="ready")
    ready = await ann.until(lambda m: m["type"] == "room" and m["epoch"] > room["epoch"])
    assert [line["ready"] for line in ready["members"]] == [False, True]
    await ben.ws.close()
    assert (await ann.room_of(1))["epoch"] > ready["epoch"]


async def test_signals_pass_between_two_members(service: Signaling) -> None:
    ann, ben, cy = [await service.join() for _ in range(3)]
    offer = {"description": {"type": "offer", "sdp": "v=0\r\n…"}}
    await ann.send(type="signal", to="nobody", data=offer)
    await ann.send(type="signal", to=cy.id, data=offer)
    await ann.send(type="signal", to=ben.id, data={"candidates": []})
    assert await cy.until(lambda m: m["type"] == "signal") == {
        "type": "signal",
        "from": ann.id,
        "data": offer,
    }
    received = await ben.until(lambda m: m["type"] == "signal")
    assert received["data"] == {"candidates": []}


async def test_a_segment_follows_the_roster_that_its_plan_uses(service: Signaling) -> None:
    broadcaster = await service.broadcaster()
    viewers = [await service.join() for _ in range(4)]
    for sequence, viewer in enumerate(viewers):
        await viewer.send(type="ready")
        await broadcaster.announce(Segment(descriptor(sequence)))
    rosters: dict[int, object] = {}
    for viewer in viewers:
        epoch = 0
        while True:
            message = await viewer.next()
            if message["type"] == "room":
                assert message["epoch"] > epoch
                epoch = message["epoch"]
                assert rosters.setdefault(epoch, message["members"]) == message["members"]
            elif message["type"] == "segment":
                assert message["epoch"] == epoch
                if message["descriptor"]["sequence"] == 3:
                    break


async def test_unknown_types_and_a_second_join_are_ignored(service: Signaling) -> None:
    ann = await service.join()
    await ann.send(type="dance", with_whom=["ben"])
    await ann.send(type="join", plan_version=99, variant=1)
    ben = await service.join()
    room = await ann.room_of(2)
    assert [(line["id"], line["variant"]) for line in room["members"]] == [(ann.id, 0), (ben.id, 0)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "bad_message"),
        ('{"type":"join"}', "bad_message"),
        ("[" * 60_000, "bad_message"),
        ('{"type":"join","plan_version":1,"variant":0}', "plan_version"),
    ],
)
async def test_a_refused_viewer_gets_the_reason_and_affects_nobody(
    service: Signaling, frame: str, code: str
) -> None:
    ann = await service.join()
    stranger = await service.connect()
    await stranger.ws.send_str(frame)
    error = await stranger.next()
    assert (error["type"], error["code"]) == ("error", code)
    assert await stranger.closed() == 1008
    await ann.ws.ping()
    ben = await service.join()
    assert [line["id"] for line in (await ann.room_of(2))["members"]] == [ann.id, ben.id]
    assert f'shoal_room_refusals_total{{code="{code}"}}' in await service.text("/metrics")


async def test_a_member_that_sends_garbage_leaves_the_room(service: Signaling) -> None:
    ann, ben = await service.join(), await service.join()
    await ann.room_of(2)
    await ben.ws.send_bytes(b"\x00\xff")
    assert (await ben.until(lambda m: m["type"] == "error"))["code"] == "bad_message"
    await ann.room_of(1)


async def test_a_frame_above_64_kib_closes_its_socket_only(service: Signaling) -> None:
    ann, ben = await service.join(), await service.join()
    await ben.send(type="signal", to=ann.id, data="x" * 70_000)
    assert await ben.closed() == 1009
    await ann.room_of(1)


async def test_a_viewer_that_does_not_join_in_time_is_refused(
    service: Signaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_connection, "JOIN_TIMEOUT_S", 0.05)
    viewer = await service.connect()
    await viewer.send(type="ready")
    assert (await viewer.next())["code"] == "join_timeout"
    assert await viewer.closed() == 1008


async def test_a_viewer_that_stops_answering_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SWEEP_S", 0.1)
    monkeypatch.setattr(websocket, "CLOSE_AFTER_SWEEPS", 40)
    async with running_signaling() as service:
        ann = await service.join()
        await service.join(autoping=False)  # it never answers a ping
        await ann.room_of(2)
        await ann.room_of(1)


@asynccontextmanager
async def slow_reader(service: Signaling) -> AsyncGenerator[Client]:
    """A viewer that has joined and reads nothing; the kernel buffers little."""

    def small_window(address: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
        family, kind, protocol, _, _ = address
        raw = socket.socket(family, kind, protocol)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return raw

    connector = aiohttp.TCPConnector(socket_factory=small_window)
    async with aiohttp.ClientSession(connector=connector) as session:
        slow = Client(await session.ws_connect(f"{service.url}/ws/room"))
        await slow.send(type="join", plan_version=2, variant=0, token=service.token())
        yield slow


FLOOD = 300
"""messages of 60 KB: more than the kernel and signaling buffer for a reader"""


async def test_a_slow_reader_is_disconnected_and_the_others_continue(service: Signaling) -> None:
    broadcaster = await service.broadcaster()
    ann = await service.join()
    async with slow_reader(service):
        await ann.room_of(2)
        for sequence in range(FLOOD):
            long = msgspec.structs.replace(descriptor(sequence), url="x" * 60_000)
            await broadcaster.announce(Segment(long))
            message = await ann.next()
            if message["type"] == "room":
                break  # it is disconnected
        else:
            await ann.room_of(1)
    ben = await service.join()
    assert [line["id"] for line in (await ann.room_of(2))["members"]] == [ann.id, ben.id]
    assert 'shoal_room_refusals_total{code="slow_reader"} 1.0' in await service.text("/metrics")


async def test_no_client_can_get_a_slow_reader_disconnected(service: Signaling) -> None:
    lost = MESSAGES_DROPPED._value.get()
    ann = await service.join()
    async with slow_reader(service) as slow:
        room = await ann.room_of(2)
        slow_id = room["members"][1]["id"]
        for _ in range(FLOOD):
            await ann.send(type="signal", to=slow_id, data="x" * 60_000)
        async with asyncio.timeout(10):
            while MESSAGES_DROPPED._value.get() == lost:
                await service.text("/metrics")
        ben = await service.join()  # it reads on, and gets the messages
        assert ben.id in [line["id"] for line in (await slow.room_of(3))["members"]]


async def test_shutdown_closes_with_going_away_and_a_restart_starts_empty(
    service: Signaling,
) -> None:
    broadcaster = await service.broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    await broadcaster.announce(Segment(descriptor(1)))
    viewers = [await service.join() for _ in range(2)]
    unjoined = await service.connect()
    clients = (*viewers, unjoined, broadcaster)
    codes = await asyncio.gather(*(client.closed() for client in clients), service.stop())
    assert codes == [1001, 1001, 1001, 1001, None]

    await service.start()
    assert await service.get("/health") == {
        "status": "ok",
        "viewers": 0,
        "broadcasters": 0,
        "chunks": 0,
        "problems": [],
    }
    await service.join()
    broadcaster = await service.broadcaster()
    assert await broadcaster.next() == {"type": "resume", "after": {}}

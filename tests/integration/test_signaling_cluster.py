"""Several signaling services as one, with a real Redis between them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from shoal.announcements import Segment, Stream
from tests.integration.signaling_cluster import (
    Node,
    announce,
    blames,
    has,
    has_nodes,
    is_degraded,
    joined,
    knows,
    until,
)
from tests.integration.signaling_station import Client
from tests.support.redis import PASSWORD, RedisServer, redis_server
from tests.support.signaling import signaling_process
from tests.support.station import free_port
from tests.unit.signaling.make import descriptor

OTHER = "t" * 20
RECOVERY_TIMEOUT_S = 15.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, PASSWORD) as server:
        yield server


@pytest_asyncio.fixture
async def nodes(tmp_path: Path, redis: RedisServer) -> AsyncGenerator[list[Node]]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        services = [
            Node(
                stack.enter_context(
                    signaling_process(tmp_path / str(k), SHOAL_CLUSTER_URL=redis.url)
                ),
                session,
            )
            for k in range(3)
        ]
        for service in services:
            await until(lambda service=service: has_nodes(service, 3))
        yield services


async def test_offers_and_answers_cross_between_nodes(nodes: list[Node]) -> None:
    one = await joined(nodes[0], 1)
    two = await nodes[1].tracker()
    await until(lambda: knows(two, 1))
    await two.send(**announce(2, offers=[{"offer_id": "o" * 20, "offer": {"sdp": "ö"}}]))
    offer = await one.until(lambda m: "offer" in m)
    assert offer["offer"] == {"sdp": "ö"}
    assert offer["peer_id"] == announce(2)["peer_id"]
    answer = {"to_peer_id": offer["peer_id"], "offer_id": "o" * 20, "answer": {"sdp": "ä"}}
    await one.send(**announce(1, **answer))
    assert (await two.until(lambda m: "answer" in m))["answer"] == {"sdp": "ä"}


async def test_announcements_reach_all_nodes_and_outlive_their_connection(
    nodes: list[Node],
) -> None:
    viewer = await nodes[1].viewer()
    broadcaster = await nodes[0].broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    for sequence in range(1, 4):
        await broadcaster.announce(Segment(descriptor(sequence)))
    sequences = [
        (await viewer.until(lambda m: m["type"] == "segment"))["descriptor"]["sequence"]
        for _ in range(3)
    ]
    assert sequences == [1, 2, 3]
    for node in nodes:
        await until(lambda node=node: has(node, broadcasters=1, live=True, chunks=3))
    # it reconnects to another node, which knows the sequence; the old socket is closed
    again = await nodes[2].broadcaster()
    resume = await again.until(lambda m: m["type"] == "resume")
    assert resume["after"] == {"0": 3}
    assert await broadcaster.closed() == 1008
    await until(lambda: has(nodes[0], broadcasters=1))


async def shared_room(nodes: list[Node], each: int = 1) -> list[Client]:
    """Let viewers of all nodes join one room, which is on the first node."""
    first, room = await nodes[0].joined("10.0.0.1")
    viewers = [first]
    for number, node in enumerate(nodes):
        await asyncio.sleep(0.5)  # other nodes get a room's summary within 250 ms
        for k in range(each - (node is nodes[0])):
            viewer, joined = await node.joined(f"10.0.{number + 1}.{k + 1}")
            assert joined["room"] == room["room"]
            viewers.append(viewer)
    for viewer in viewers:
        await viewer.room_of(len(viewers)) if viewer is not viewers[-1] else None
    return viewers


async def test_viewers_of_several_nodes_share_a_room(nodes: list[Node]) -> None:
    broadcaster = await nodes[1].broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    ann, ben, cy = await shared_room(nodes)
    # signals reach the other member through the room's node, or from it
    for number, (sender, receiver) in enumerate(((ben, cy), (cy, ann), (ann, ben))):
        await sender.send(type="signal", to=receiver.id, data={"sdp": f"ö{number}"})
        signal = await receiver.until(lambda m: m["type"] == "signal")
        assert (signal["from"], signal["data"]) == (sender.id, {"sdp": f"ö{number}"})
    await cy.send(type="ready")
    for viewer in (ann, ben, cy):
        await viewer.until(lambda m: m["type"] == "room" and [x["ready"] for x in m["members"]][-1])
    await broadcaster.announce(Segment(descriptor(1)))
    epochs = [(await v.until(lambda m: m["type"] == "segment"))["epoch"] for v in (ann, ben, cy)]
    assert len(set(epochs)) == 1
    for node in nodes:
        await until(lambda node=node: has(node, viewers=3, rooms=1))
    await ben.ws.close()
    await ann.room_of(2)
    # reports from two addresses on two nodes expel a viewer of the third
    liar, _ = await nodes[1].joined("10.9.9.9")
    await ann.send(type="report", member=liar.id)
    await cy.send(type="report", member=liar.id)
    refusal = await liar.until(lambda m: m["type"] == "error")
    assert refusal["code"] == "expelled"
    assert await liar.closed() == 1008
    again = await nodes[1].viewer("10.9.9.9")
    assert (await again.next())["code"] == "barred"
    await nodes[1].joined("10.9.9.8")


async def test_remote_members_of_a_killed_node_stay_together(
    nodes: list[Node],
) -> None:
    viewers = await shared_room(nodes, each=2)
    nodes[0].running.kill()
    began = time.monotonic()
    rooms = await asyncio.gather(*(viewer.room_of(2) for viewer in viewers[2:]))
    assert time.monotonic() - began < RECOVERY_TIMEOUT_S
    names = [room["room"] for room in rooms]
    assert names[0] == names[1] != names[2] == names[3]
    assert [room["you"] for room in rooms] == [viewer.id for viewer in viewers[2:]]
    # and a new viewer joins one of the pairs
    _, room = await nodes[1].joined("10.8.8.8")
    assert len(room["members"]) == 3


async def test_viewers_of_a_killed_node_are_removed(nodes: list[Node]) -> None:
    ann, *_ = await shared_room(nodes)
    nodes[2].running.kill()
    began = time.monotonic()
    await ann.room_of(2)
    assert time.monotonic() - began < RECOVERY_TIMEOUT_S


async def test_rooms_of_several_nodes_outlive_a_restart_of_redis(
    nodes: list[Node], redis: RedisServer
) -> None:
    viewers = await shared_room(nodes)
    redis.kill()
    await until(lambda: is_degraded(nodes[2]), 10)
    await viewers[0].send(type="ready")  # nodes get no messages from each other
    await asyncio.sleep(1)
    redis.start()
    began = time.monotonic()
    for viewer in viewers[1:]:
        room = await viewer.until(lambda m: m["type"] == "room" and len(m["members"]) == 1)
        assert room["you"] == viewer.id
    assert time.monotonic() - began < RECOVERY_TIMEOUT_S
    # and viewers of several nodes find each other again
    late, room = await nodes[1].joined()
    partner = next(v for v in viewers if v.id == room["members"][0]["id"])
    await late.send(type="signal", to=partner.id, data={})
    assert (await partner.until(lambda m: m["type"] == "signal"))["from"] == late.id


async def test_viewers_and_their_stats_are_summed_on_every_node(nodes: list[Node]) -> None:
    viewers = await shared_room(nodes, each=2)
    broadcaster = await nodes[0].broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    await broadcaster.announce(Segment(descriptor(1)))
    for viewer in viewers:
        await viewer.send(
            type="stats",
            bytes={"p2p": 600, "store": 500, "seed": 0},
            startup={"p2p": 0, "store": 0, "seed": 0},
            **{"uploaded": 7, "peers": 1, "stalls": 2, "latency_s": 9.5},
        )
    for node in nodes:
        await until(lambda node=node: has(node, viewers=6, peers=6, stalls=12, wanted=240_000))
        assert await has(node, rooms=1)
        assert (await node.get("/stats"))["bytes"] == {"p2p": 3600, "store": 3000, "seed": 0}
    counts = await broadcaster.until(lambda m: m.get("uploaded") == 42)
    assert (counts["room_peers"], counts["linked"]) == (6, 6)


async def test_a_torrent_registered_at_one_node_is_served_by_the_others(nodes: list[Node]) -> None:
    seeder = await nodes[0].seeder()
    desktop = await nodes[1].tracker()
    await desktop.send(**announce(2, OTHER))
    assert "unknown_torrent" in (await desktop.next())["failure reason"]
    await seeder.send(**announce(1, OTHER, left=0))
    await seeder.next()
    offers = [{"offer_id": "o" * 20, "offer": {"sdp": ""}}]

    async def served() -> bool:
        await desktop.send(**announce(2, OTHER, offers=offers))
        return (await desktop.until(lambda m: m["action"] == "announce")).get("complete") == 1

    await until(served)
    assert (await seeder.until(lambda m: "offer" in m))["peer_id"] == announce(2)["peer_id"]


async def test_only_the_peers_of_a_killed_node_are_removed(
    nodes: list[Node],
) -> None:
    for number in range(30):
        await joined(nodes[number % 3], number)
    asking = await nodes[0].tracker()
    await until(lambda: knows(asking, 30))
    nodes[2].running.kill()
    took_s = await until(lambda: knows(asking, 20), RECOVERY_TIMEOUT_S)
    assert took_s < RECOVERY_TIMEOUT_S
    # its clients reconnect to another node
    for number in range(2, 30, 3):
        await joined(nodes[1], number)
    await until(lambda: knows(asking, 30))
    assert await has_nodes(nodes[0], 2)


async def test_the_tracker_recovers_from_a_restart_of_redis(
    nodes: list[Node], redis: RedisServer
) -> None:
    clients = [await joined(nodes[number % 2], number) for number in range(10)]
    asking = await nodes[2].tracker()
    await until(lambda: knows(asking, 10))
    redis.kill()
    await until(lambda: is_degraded(nodes[2]), 10)
    # meanwhile, one leaves and two join
    await clients[0].ws.close()
    late = [await joined(nodes[k], 100 + k) for k in range(2)]
    await asyncio.sleep(2)
    redis.start()
    took_s = await until(lambda: knows(asking, 11), RECOVERY_TIMEOUT_S)
    await until(lambda: knows(late[0], 11), RECOVERY_TIMEOUT_S)
    print(f"\nall peers are known again {took_s:.1f} s after Redis")  # noqa: T201
    await late[0].send(
        **announce(100, offers=[{"offer_id": f"{k:020d}", "offer": {}} for k in range(10)])
    )
    received = asyncio.gather(
        *(client.until(lambda m: "offer" in m) for client in [*clients[1:], late[1]])
    )
    assert len(await received) == 10
    assert not await is_degraded(nodes[2])


async def test_without_redis_a_node_serves_alone_and_reports_it(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    async with aiohttp.ClientSession() as session:
        with signaling_process(tmp_path, SHOAL_CLUSTER_URL=url) as running:
            node = Node(running, session)
            await joined(node, 1)
            asking = await node.tracker()
            assert await knows(asking, 1)
            assert await is_degraded(node)


async def test_a_wrong_password_is_named_in_health_without_the_secret(
    tmp_path: Path, redis: RedisServer
) -> None:
    wrong = redis.url.replace("password", "guess")
    async with aiohttp.ClientSession() as session:
        with signaling_process(tmp_path / "node", SHOAL_CLUSTER_URL=wrong) as running:
            node = Node(running, session)
            await until(lambda: blames(node, "invalid username-password"))
            message = (await node.get("/health"))["problems"][0]["message"]
    assert "guess" not in message + (tmp_path / "node" / "signaling.log").read_text()

"""Several signaling services as one, with a real Redis between them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from shoal.announcements import Segment, Stream
from shoal.join_tokens import issue, seed_token
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.signaling_station import Client
from tests.support.redis import PASSWORD, RedisServer, redis_server
from tests.support.signaling import (
    BROADCASTER_TOKEN,
    JOIN_SECRET,
    SignalingProcess,
    signaling_process,
)
from tests.support.station import free_port
from tests.unit.signaling.make import descriptor

[HASH] = info_hashes(SWARM_ID)
OTHER = "t" * 20
BACK_WITHIN_S = 15.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, PASSWORD) as server:
        yield server


class Node:
    """One process of the cluster, and the sockets of its clients."""

    def __init__(self, running: SignalingProcess, session: aiohttp.ClientSession) -> None:
        self.running = running
        self._session = session
        self._clients: list[Client] = []

    async def tracker(self) -> Client:
        token = issue(JOIN_SECRET, "127.0.0.1", time.time())
        return await self._connect(f"/ws?token={token}")

    async def viewer(self) -> Client:
        """Return a viewer that has joined."""
        viewer = await self._connect("/ws/room")
        token = issue(JOIN_SECRET, "127.0.0.1", time.time())
        await viewer.send(type="join", plan_version=2, variant=0, token=token)
        return viewer

    async def broadcaster(self) -> Client:
        return await self._connect(
            "/broadcaster", headers={"Authorization": f"Bearer {BROADCASTER_TOKEN}"}
        )

    async def seeder(self) -> Client:
        return await self._connect(f"/ws?seed={seed_token(BROADCASTER_TOKEN)}")

    async def get(self, path: str) -> Any:
        async with self._session.get(self.running.url + path) as response:
            return await response.json()

    async def metric(self, name: str) -> float:
        async with self._session.get(f"{self.running.url}/metrics") as response:
            text = await response.text()
        return next(float(x.split()[1]) for x in text.splitlines() if x.startswith(f"{name} "))

    async def _connect(self, path: str, **options: Any) -> Client:
        client = Client(await self._session.ws_connect(self.running.url + path, **options))
        self._clients.append(client)  # a socket that nobody holds is closed
        return client


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


async def has_nodes(node: Node, count: int) -> bool:
    return await node.metric("shoal_cluster_nodes") == count


async def until(probe: Callable[[], Awaitable[bool]], timeout_s: float = 10) -> float:
    """Wait until a probe says yes; return how long that took, seconds."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not await probe():  # noqa: ASYNC110 there is no event to wait for
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def announce(number: int, info_hash: str = HASH, **fields: Any) -> dict[str, Any]:
    peer_id = f"-XX0001-{number:012d}"
    return {"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "left": 1, **fields}


async def knows(client: Client, peers: int, info_hash: str = HASH) -> bool:
    """Say whether the client's tracker knows so many leechers."""
    await client.send(action="scrape", info_hash=info_hash)
    answer = await client.until(lambda m: m.get("action") == "scrape")
    return answer["files"][info_hash]["incomplete"] == peers


async def joined(node: Node, number: int) -> Client:
    """Return a client that has announced itself."""
    client = await node.tracker()
    await client.send(**announce(number))
    assert (await client.next())["action"] == "announce"
    return client


async def test_offers_and_answers_cross_from_node_to_node(nodes: list[Node]) -> None:
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


async def test_what_the_broadcaster_announces_is_known_everywhere_and_after_it(
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
    # it goes on at another node, which knows where; the old socket is closed
    again = await nodes[2].broadcaster()
    resume = await again.until(lambda m: m["type"] == "resume")
    assert resume["after"] == {"0": 3}
    assert await broadcaster.closed() == 1008
    await until(lambda: has(nodes[0], broadcasters=1))


async def has(node: Node, **expected: int) -> bool:
    stats = await node.get("/stats")
    return all(stats[name] == value for name, value in expected.items())


async def test_viewers_and_their_figures_are_summed_on_every_node(nodes: list[Node]) -> None:
    viewers = [await node.viewer() for node in nodes for _ in range(2)]
    broadcaster = await nodes[0].broadcaster()
    for viewer in viewers:
        await viewer.send(
            type="stats",
            bytes={"p2p": 600, "store": 500, "seed": 0},
            startup={"p2p": 0, "store": 0, "seed": 0},
            **{"uploaded": 7, "peers": 1, "stalls": 2, "latency_s": 9.5},
        )
    for node in nodes:
        await until(lambda node=node: has(node, viewers=6, peers=6, stalls=12, rooms=3))
        assert (await node.get("/stats"))["bytes"] == {"p2p": 3600, "store": 3000, "seed": 0}
    told = await broadcaster.until(lambda m: m.get("uploaded") == 42)
    assert (told["room_peers"], told["linked"]) == (6, 6)


async def test_a_torrent_that_the_seeder_announced_here_is_served_there(nodes: list[Node]) -> None:
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


async def test_a_node_that_is_killed_takes_its_peers_along_and_no_others(
    nodes: list[Node],
) -> None:
    for number in range(30):
        await joined(nodes[number % 3], number)
    asking = await nodes[0].tracker()
    await until(lambda: knows(asking, 30))
    nodes[2].running.kill()
    took_s = await until(lambda: knows(asking, 20), BACK_WITHIN_S)
    assert took_s < BACK_WITHIN_S
    # its clients come back elsewhere
    for number in range(2, 30, 3):
        await joined(nodes[1], number)
    await until(lambda: knows(asking, 30))
    assert await has_nodes(nodes[0], 2)


async def test_all_is_back_after_a_restart_of_redis(nodes: list[Node], redis: RedisServer) -> None:
    clients = [await joined(nodes[number % 2], number) for number in range(10)]
    asking = await nodes[2].tracker()
    await until(lambda: knows(asking, 10))
    redis.kill()
    await until(lambda: is_degraded(nodes[2]), 10)
    # what happens meanwhile is made up for: one goes, two come
    await clients[0].ws.close()
    late = [await joined(nodes[k], 100 + k) for k in range(2)]
    await asyncio.sleep(2)
    redis.start()
    took_s = await until(lambda: knows(asking, 11), BACK_WITHIN_S)
    await until(lambda: knows(late[0], 11), BACK_WITHIN_S)
    print(f"\nall peers are known again {took_s:.1f} s after Redis")  # noqa: T201
    await late[0].send(
        **announce(100, offers=[{"offer_id": f"{k:020d}", "offer": {}} for k in range(10)])
    )
    received = asyncio.gather(
        *(client.until(lambda m: "offer" in m) for client in [*clients[1:], late[1]])
    )
    assert len(await received) == 10
    assert not await is_degraded(nodes[2])


async def is_degraded(node: Node) -> bool:
    health = await node.get("/health")
    return health["status"] == "degraded" and health["problems"][0]["code"] == "cluster"


async def test_without_redis_a_node_serves_alone_and_says_so(tmp_path: Path) -> None:
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


async def blames(node: Node, what: str) -> bool:
    return what in (await node.get("/health"))["problems"][0]["message"]

"""Nodes of a cluster as processes, and their clients."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from shoal.auth import issue_join_token, seed_token
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.signaling_station import Client
from tests.support.signaling import BROADCASTER_TOKEN, JOIN_SECRET, SignalingProcess

[HASH] = info_hashes(SWARM_ID)


class Node:
    """One process of the cluster, and its clients' sockets."""

    def __init__(self, running: SignalingProcess, session: aiohttp.ClientSession) -> None:
        self.running = running
        self._session = session
        self._clients: list[Client] = []

    async def tracker(self) -> Client:
        token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())
        return await self._connect(f"/ws?token={token}")

    async def viewer(self, address: str = "127.0.0.1") -> Client:
        """Return a viewer that has sent `join`, from an address of its own."""
        viewer = await self._connect("/ws/room", headers={"CF-Connecting-IP": address})
        token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())
        await viewer.send(type="join", plan_version=2, variant=0, token=token)
        return viewer

    async def joined(self, address: str = "127.0.0.1") -> tuple[Client, dict[str, Any]]:
        """Return a viewer that has joined, and its first roster."""
        viewer = await self.viewer(address)
        assert (await viewer.next())["type"] == "stream"
        room = await viewer.next()
        assert room["type"] == "room"
        viewer.id = room["you"]
        return viewer, room

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
        self._clients.append(client)  # a socket without a reference is closed
        return client


async def has_nodes(node: Node, count: int) -> bool:
    return await node.metric("shoal_cluster_nodes") == count


async def until(probe: Callable[[], Awaitable[bool]], timeout_s: float = 10) -> float:
    """Wait until a probe succeeds; return how long that took, seconds."""
    began = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not await probe():  # noqa: ASYNC110 there is no event to wait for
            await asyncio.sleep(0.05)
    return time.monotonic() - began


def announce(number: int, info_hash: str = HASH, **fields: Any) -> dict[str, Any]:
    peer_id = f"-XX0001-{number:012d}"
    return {"action": "announce", "info_hash": info_hash, "peer_id": peer_id, "left": 1, **fields}


async def knows(client: Client, peers: int, info_hash: str = HASH) -> bool:
    """Return whether the client's tracker counts this many leechers."""
    await client.send(action="scrape", info_hash=info_hash)
    answer = await client.until(lambda m: m.get("action") == "scrape")
    return answer["files"][info_hash]["incomplete"] == peers


async def joined(node: Node, number: int) -> Client:
    """Return a client that has announced itself."""
    client = await node.tracker()
    await client.send(**announce(number))
    assert (await client.next())["action"] == "announce"
    return client


async def has(node: Node, **expected: int) -> bool:
    stats = await node.get("/stats")
    return all(stats[name] == value for name, value in expected.items())


async def is_degraded(node: Node) -> bool:
    health = await node.get("/health")
    return health["status"] == "degraded" and health["problems"][0]["code"] == "cluster"


async def blames(node: Node, what: str) -> bool:
    return what in (await node.get("/health"))["problems"][0]["message"]

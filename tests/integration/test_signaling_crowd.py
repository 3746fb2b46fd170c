"""A node is killed while many viewers and peers use it."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from shoal.auth import issue_join_token
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.bench.tracker_load import crowd, from_address
from tests.support.redis import redis_server
from tests.support.signaling import JOIN_SECRET, SignalingProcess, signaling_process

VIEWERS = 200
PEERS = 60
"""tracker clients at each node"""
SPREAD_S = 5.0
"""time over which the players reconnect"""
RECOVERY_TIMEOUT_S = 15.0
OFFERS_PER_S = 40
RECEIVED = {"p2p": 700, "store": 300, "seed": 0}
NOTHING = {"p2p": 0, "store": 0, "seed": 0}


class Viewer:
    """One player, which joins at the other node when its socket closes."""

    def __init__(self, number: int, nodes: list[SignalingProcess]) -> None:
        self.address = from_address(number)
        self.nodes = [nodes[number % 2], nodes[1 - number % 2]]
        self.room: dict[str, Any] | None = None
        self.signals = 0
        self.has_reported = False

    async def play(self, session: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                await self._join(session, self.nodes[0].url)
            self.room = None
            self.nodes.reverse()
            await asyncio.sleep(SPREAD_S * random.random())

    async def _join(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.ws_connect(f"{url}/ws/room", headers=self.address) as socket:
            token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())
            await socket.send_json(
                {"type": "join", "plan_version": PLAN_VERSION, "variant": 0, "token": token}
            )
            async for frame in socket:
                message = frame.json()
                if message["type"] == "signal":
                    self.signals += 1
                elif message["type"] == "room":
                    if self.room is None:
                        await socket.send_json({"type": "ready"})
                        if not self.has_reported:
                            await socket.send_json(stats_message())
                            self.has_reported = True
                    self.room = message
                    one = random.choice(message["members"])["id"]
                    await socket.send_json({"type": "signal", "to": one, "data": {"sdp": "v=0"}})


def stats_message() -> dict[str, Any]:
    """Return the stats that a viewer reports once."""
    more = {"uploaded": 0, "peers": 1, "stalls": 0, "latency_s": 9.0}
    return {"type": "stats", "bytes": RECEIVED, "startup": NOTHING, **more}


@asynccontextmanager
async def audience(nodes: list[SignalingProcess]) -> AsyncGenerator[list[Viewer]]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        viewers = [Viewer(number, nodes) for number in range(VIEWERS)]
        playing = [asyncio.create_task(viewer.play(session)) for viewer in viewers]
        try:
            yield viewers
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)


async def stats(node: SignalingProcess) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{node.url}/stats") as response:
        return await response.json()


async def all_in_rooms(viewers: list[Viewer], node: SignalingProcess) -> None:
    """Wait until all viewers are in rooms, and `node` counts each of them and their bytes once."""
    expected = (VIEWERS, VIEWERS * RECEIVED["p2p"], VIEWERS * RECEIVED["store"])
    while True:
        totals = await stats(node)
        counted = totals["viewers"], totals["bytes"]["p2p"], totals["bytes"]["store"]
        if counted == expected and all(viewer.room is not None for viewer in viewers):
            return
        await asyncio.sleep(0.1)


async def test_viewers_of_a_killed_node_reconnect_to_the_other(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as redis,
        signaling_process(tmp_path / "a", SHOAL_CLUSTER_URL=redis.url) as victim,
        signaling_process(tmp_path / "b", SHOAL_CLUSTER_URL=redis.url) as other,
    ):
        token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())
        swarm = sorted(info_hashes(SWARM_ID))
        async with (
            audience([victim, other]) as viewers,
            crowd(f"ws{victim.url.removeprefix('http')}/ws?token={token}", PEERS, swarm) as lost,
            crowd(f"ws{other.url.removeprefix('http')}/ws?token={token}", PEERS, swarm) as peers,
        ):
            await asyncio.wait_for(all_in_rooms(viewers, other), 20)
            await lost.announce_once()
            flowing = asyncio.create_task(peers.paced(OFFERS_PER_S, 4))
            await asyncio.sleep(1)
            lost.connected = False
            victim.kill()
            began = time.monotonic()
            affected = [viewer for viewer in viewers if viewer.nodes[0] is victim]
            for viewer in affected:
                viewer.room = None
            await asyncio.wait_for(all_in_rooms(viewers, other), RECOVERY_TIMEOUT_S)
            took_s = time.monotonic() - began
            print(f"\n{len(affected)} viewers are in rooms again after {took_s:.1f} s")  # noqa: T201
            peers.check()
            assert (await flowing)[0]
            # offers and signals are forwarded again
            delays_ms, _ = await peers.paced(OFFERS_PER_S, 1)
            assert len(delays_ms) > OFFERS_PER_S
            assert sum(viewer.signals for viewer in viewers) > VIEWERS

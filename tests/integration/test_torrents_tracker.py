"""`/ws` with real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest_asyncio

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.signaling_station import Client, Signaling, running_signaling

[HASH] = info_hashes(SWARM_ID)


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def connect(service: Signaling) -> Client:
    client = Client(await service.session.ws_connect(f"{service.url}/ws?token={service.token()}"))
    service.clients.append(client)
    return client


def announce(number: int, **fields: Any) -> dict[str, Any]:
    peer_id = f"-XX0001-{number:012d}"
    return {"action": "announce", "info_hash": HASH, "peer_id": peer_id, "left": 1, **fields}


async def test_an_offer_and_its_answer_cross_the_tracker(service: Signaling) -> None:
    one, two = await connect(service), await connect(service)
    await one.send(**announce(1))
    assert (await one.next())["incomplete"] == 1
    await two.send(**announce(2, offers=[{"offer_id": "o" * 20, "offer": {"sdp": "ö"}}]))
    assert (await two.next())["incomplete"] == 2
    offer = await one.next()
    assert (offer["info_hash"], offer["offer"]) == (HASH, {"sdp": "ö"})
    await one.send(
        **announce(1, to_peer_id=offer["peer_id"], offer_id="o" * 20, answer={"sdp": "ä"})
    )
    assert (await two.next())["answer"] == {"sdp": "ä"}
    text = await service.text("/metrics")
    assert 'shoal_tracker_messages_total{type="answer"}' in text
    assert "shoal_tracker_peers 2.0" in text


async def test_rooms_work_beside_the_tracker(service: Signaling) -> None:
    viewer = await service.join()
    client = await connect(service)
    await client.send(**announce(1))
    assert (await client.next())["action"] == "announce"
    assert viewer.id


async def test_a_stale_answer_closes_nothing(service: Signaling) -> None:
    client = await connect(service)
    await client.send(**announce(1, to_peer_id="x" * 20, offer_id="o" * 20, answer={"sdp": ""}))
    await client.send(**announce(1))
    await client.send(**announce(1, to_peer_id="x" * 20, offer_id="o" * 20, answer={"sdp": ""}))
    await client.send(**announce(1))
    assert (await client.next())["incomplete"] == 1
    assert (await client.next())["incomplete"] == 1


async def test_a_peer_that_disconnects_is_removed_at_once(service: Signaling) -> None:
    one, two = await connect(service), await connect(service)
    await one.send(**announce(1))
    await one.next()
    await one.ws.close()
    async with asyncio.timeout(5):
        while True:
            await two.send(action="scrape", info_hash=HASH)
            if (await two.next())["files"][HASH]["incomplete"] == 0:
                break


async def test_an_invalid_message_closes_only_its_own_socket(service: Signaling) -> None:
    good, bad, big = await connect(service), await connect(service), await connect(service)
    await bad.ws.send_str("{")
    assert await bad.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
    await big.ws.send_str("x" * 70_000)
    assert await big.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await good.send(**announce(1, peer_id="short"))
    assert "20 bytes" in (await good.next())["failure reason"]
    await good.send(**announce(1))
    assert (await good.next())["incomplete"] == 1


async def test_a_stop_closes_with_going_away(service: Signaling) -> None:
    client = await connect(service)
    await client.send(**announce(1))
    await client.next()
    closing = asyncio.create_task(client.closed())
    await service.stop()
    assert await closing == aiohttp.WSCloseCode.GOING_AWAY

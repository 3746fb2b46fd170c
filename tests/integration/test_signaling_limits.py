"""Limits of an address and of a socket: excess closes the socket that causes it, and no other."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.integration.signaling_station import Signaling, running_signaling
from tests.integration.signaling_strict import (
    BROADCASTER,
    EDGE,
    LIVE,
    MAX_SOCKETS,
    announce,
    cut,
    refused,
    strict_signaling,
    until,
)
from tests.support.raw_websocket import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RawSocket,
    frame,
    handshake,
    message,
)


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with strict_signaling() as running:
        yield running


async def test_an_address_has_a_limit_of_open_sockets(service: Signaling) -> None:
    count = refused("too_many_sockets")
    sockets = [
        await RawSocket.websocket(service.url, ("/ws", "/ws/room")[number % 2], EDGE)
        for number in range(MAX_SOCKETS)
    ]
    answer = await RawSocket.ask(service.url, handshake("/ws", EDGE))
    assert (answer.status, answer.code, count()) == (429, "too_many_sockets", 1)
    for other in ("203.0.113.8", "2001:db8::1"):
        await RawSocket.websocket(service.url, "/ws", CF_Connecting_IP=other)
    here = await RawSocket.websocket(service.url, "/ws")
    sockets[0].writer.close()
    sockets[1].write(frame(b"", CLOSE))
    assert await sockets[1].close_code() == 1000
    await until(lambda: len(service.websockets) == MAX_SOCKETS - 2 + 3)
    for _ in range(2):
        await RawSocket.websocket(service.url, "/ws", EDGE)
    answer = await RawSocket.ask(service.url, handshake("/ws", EDGE))
    assert answer.status == 429
    here.write(message(action="scrape", info_hash=LIVE))
    assert (await here.next())["action"] == "scrape"


async def test_an_untrusted_peer_cannot_claim_another_address() -> None:
    async with running_signaling(
        trusted_proxies=["192.0.2.0/24"], max_sockets_per_address=2
    ) as service:
        for number in range(2):
            await RawSocket.websocket(service.url, "/ws", CF_Connecting_IP=f"203.0.113.{number}")
        answer = await RawSocket.ask(service.url, handshake("/ws", EDGE))
        assert (answer.status, answer.code) == (429, "too_many_sockets")


async def test_an_ipv6_subscriber_is_one_address(service: Signaling) -> None:
    for number in range(MAX_SOCKETS):
        await RawSocket.websocket(service.url, "/ws", CF_Connecting_IP=f"2001:db8::{number}:1")
    refusal = await RawSocket.ask(service.url, handshake("/ws", CF_Connecting_IP="2001:db8::ffff"))
    assert refusal.status == 429
    await RawSocket.websocket(service.url, "/ws", CF_Connecting_IP="2001:db8:0:1::1")


@pytest.mark.parametrize("what", [message(action="scrape"), frame(b"", PING), frame(b"x", PONG)])
async def test_exceeding_a_limit_closes_only_that_socket(service: Signaling, what: bytes) -> None:
    count = cut("too_many_messages")
    good = await RawSocket.websocket(service.url, "/ws")
    bad = await RawSocket.websocket(service.url, "/ws")
    bad.write(what * 300)
    assert await bad.close_code() == 1008
    assert count() == 1
    good.write(message(action="scrape", info_hash=LIVE))
    assert (await good.next())["action"] == "scrape"


async def test_empty_fragments_are_messages_too(service: Signaling) -> None:
    bad = await RawSocket.websocket(service.url, "/ws")
    bad.write(frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) * 300)
    assert await bad.close_code() == 1008


async def test_reconnecting_does_not_renew_the_quota(service: Signaling) -> None:
    sent, count = 0, refused("too_many_messages")
    flood = message(action="scrape", info_hash=LIVE) * 190
    while not count():
        client = await RawSocket.open(service.url)
        answer = await client.answer(handshake("/ws", EDGE))
        if answer.status == 101:
            client.write(flood)
            client.write(frame(b"", CLOSE))
            await client.close_code()
            sent += 190
            assert sent < 5_000
        else:
            assert (answer.status, answer.code) == (429, "too_many_messages")
        client.writer.close()


@pytest.mark.parametrize(
    ("sent", "code", "why"),
    [
        (frame(b" " * 65_537), 1009, "message_size"),
        (b"\x81\xff" + (2**62).to_bytes(8, "big") + b"abcd", 1009, "message_size"),
        (
            frame(b" " * 40_000, fin=False) + frame(b" " * 40_000, CONTINUATION),
            1009,
            "message_size",
        ),
        (
            frame(b" " * 60_000, fin=False) + 2 * frame(b" " * 4_000, CONTINUATION, fin=False),
            1009,
            "message_size",
        ),
        (frame(b"{}", 3), 1002, "protocol"),
        (b"\x81\x02{}", 1002, "protocol"),
        (frame(b"x" * 126, PING), 1002, "protocol"),
        (frame(b"x", PING, fin=False), 1002, "protocol"),
        (frame(b"x", CLOSE), 1002, "protocol"),
        (frame(b"\x03\xe8\xff", CLOSE), 1007, "protocol"),
    ],
)
@pytest.mark.parametrize("path", ["/ws", "/ws/room", "/broadcaster"])
async def test_an_oversized_or_invalid_frame_closes_its_own_socket_only(
    service: Signaling, path: str, sent: bytes, code: int, why: str
) -> None:
    count = cut(why)
    good = await RawSocket.websocket(service.url, "/ws")
    bad = await RawSocket.websocket(service.url, path, BROADCASTER)
    bad.write(sent)
    assert await bad.close_code() == code
    await until(lambda: count() == 1)
    good.write(message(action="scrape", info_hash=LIVE))
    assert (await good.next())["action"] == "scrape"


async def test_a_message_of_64_kib_passes_also_in_fragments(service: Signaling) -> None:
    client = await RawSocket.websocket(service.url, "/ws")
    text = b'{"action":"scrape"}'.ljust(65_536)
    client.write(frame(text))
    assert (await client.next())["action"] == "scrape"
    client.write(frame(text[:30_000], fin=False) + frame(b"p", PING))
    client.write(frame(b"", CONTINUATION, fin=False) + frame(text[30_000:], CONTINUATION))
    assert await client.frame() == (PONG, b"p")
    assert (await client.next())["action"] == "scrape"


async def test_messages_after_an_oversized_one_are_ignored(service: Signaling) -> None:
    client = await RawSocket.websocket(service.url, f"/ws?token={service.token()}")
    client.write(announce(1, padding=" " * 70_000) + announce(2))
    assert await client.close_code() == 1009
    assert service.tracker.swarms.peers == 0


# --- what the public may not see ---

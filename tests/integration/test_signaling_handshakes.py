"""Invalid and slow handshakes, and handshakes during shutdown."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from shoal.signaling import listener
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.websocket import MESSAGES_DROPPED
from tests.integration.signaling_station import Signaling
from tests.integration.signaling_strict import (
    EDGE,
    LIVE,
    MAX_SOCKETS,
    refused,
    strict_signaling,
    until,
)
from tests.support.raw_websocket import (
    CLOSE,
    RawSocket,
    close_all,
    frame,
    handshake,
    head,
    message,
)
from tests.support.signaling import signaling_process


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with strict_signaling() as running:
        yield running


@pytest.mark.parametrize("path", ["/ws", "/ws?token=x", "/ws/room"])
async def test_a_plain_request_is_told_to_upgrade(service: Signaling, path: str) -> None:
    for lines in ((), (EDGE,), ("Upgrade: h2c", "Connection: Upgrade")):
        answer = await RawSocket.ask(service.url, head(path, "Host: x", *lines))
        assert (answer.status, answer.code) == (426, "upgrade_required")
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["x-shoal"] == "signaling"


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec_WebSocket_Version": "8"},
        {"Sec_WebSocket_Version": None},
        {"Sec_WebSocket_Key": None},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Key": "\xff" * 22 + "=="},
        {"Connection": "keep-alive"},
        {"Connection": None},
    ],
)
async def test_a_wrong_handshake_is_refused_and_not_counted(
    service: Signaling, changed: dict[str, str | None]
) -> None:
    count = refused("handshake")
    for _ in range(MAX_SOCKETS + 1):
        answer = await RawSocket.ask(service.url, handshake("/ws", EDGE, **changed))
        assert (answer.status, answer.code) == (400, "handshake")
    assert count() == MAX_SOCKETS + 1
    await RawSocket.websocket(service.url, "/ws", EDGE)


@pytest.mark.parametrize(
    "lines", [("Content-Length: 5",), ("Transfer-Encoding: chunked",), ("X: 1\r\n folded",)]
)
async def test_a_handshake_with_a_body_or_a_bad_header_is_refused(
    service: Signaling, lines: tuple[str, ...]
) -> None:
    assert (await RawSocket.ask(service.url, handshake("/ws", *lines))).status == 400
    assert len(service.websockets) == 0


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive"])
async def test_the_connection_header_of_every_browser_is_accepted(
    service: Signaling, connection: str
) -> None:
    await RawSocket.websocket(service.url, "/ws", Connection=connection, Upgrade="WebSocket")


async def test_a_handshake_may_come_byte_by_byte_and_frames_right_behind(
    service: Signaling,
) -> None:
    slow = await RawSocket.open(service.url)
    for byte in handshake("/ws"):
        slow.write(bytes([byte]))
        await slow.writer.drain()
        await asyncio.sleep(0)
    assert (await slow.answer()).status == 101
    quick = await RawSocket.open(service.url)
    asked = message(action="scrape", info_hash=LIVE)
    assert (await quick.answer(handshake("/ws") + asked * 3 + asked[:7])).status == 101
    for _ in range(3):
        assert (await quick.next())["action"] == "scrape"
    quick.write(asked[7:])
    assert (await quick.next())["action"] == "scrape"


async def test_bytes_after_the_head_do_not_make_it_a_handshake(service: Signaling) -> None:
    answer = await RawSocket.ask(service.url, head("/ws", "Host: x") + handshake("/ws"))
    assert (answer.status, answer.code) == (426, "upgrade_required")


async def test_a_connection_is_closed_after_a_plain_answer(service: Signaling) -> None:
    """Otherwise a later handshake would silently reach aiohttp."""
    for first in (
        head("/health", "Host: x"),
        head("/nothing", "Host: x"),
        head("/ws", "Host: x", EDGE),
        head("/metrics", "Host: x", method="POST"),
        head("/health", "Host: x", "Connection: keep-alive", version="HTTP/1.0"),
    ):
        client = await RawSocket.open(service.url)
        answer = await client.answer(first)
        assert answer.headers.get("connection", "close") == "close"
        client.write(handshake("/ws"))
        assert await client.ended() == b""
        client.writer.close()
    pipelined = await RawSocket.open(service.url)
    pipelined.write(head("/health", "Host: x") + handshake("/ws"))
    response = await pipelined.ended()
    assert response.count(b"HTTP/1.1 ") == 1
    assert b" 101 " not in response


async def test_a_half_closed_socket_is_answered_and_closed(service: Signaling) -> None:
    client = await RawSocket.open(service.url)
    client.write(handshake("/ws") + message(action="scrape", info_hash=LIVE))
    client.writer.write_eof()
    assert (await client.answer()).status == 101
    assert (await client.next())["action"] == "scrape"
    assert await client.ended() == b""
    await until(lambda: len(service.websockets) == 0)
    plain = await RawSocket.open(service.url)
    plain.write(head("/health", "Host: x"))
    plain.writer.write_eof()
    await plain.ended()
    half = await RawSocket.open(service.url)
    half.write(handshake("/ws")[:50])
    half.writer.write_eof()
    assert await half.ended() == b""


async def test_an_unfinished_head_is_refused_with_a_reason(
    service: Signaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(listener, "MAX_PENDING", 3)
    counts = [refused(code) for code in ("long_head", "too_many_waiting", "slow_head")]
    long = await RawSocket.ask(service.url, handshake("/ws", "X: " + "x" * 20_000))
    assert (long.status, long.code) == (431, "long_head")
    sockets = [await RawSocket.open(service.url) for _ in range(4)]
    for one in sockets:
        one.write(handshake("/ws")[:40])
    answers = [await one.answer() for one in sockets]
    assert [(one.status, one.code) for one in answers] == [
        (503, "too_many_waiting"),
        *[(408, "slow_head")] * 3,
    ]
    assert [count() for count in counts] == [1, 1, 3]


@pytest.mark.parametrize("sent", [b"\r\n\r\n", head("/health", "Host: x", "Content-Length: 9")])
async def test_a_plain_connection_is_closed_in_time(
    service: Signaling, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(listener, "PLAIN_TIMEOUT_S", 0.3)
    client = await RawSocket.open(service.url)
    client.write(sent)
    await client.ended()


# --- shutdown ---


async def test_a_stop_waits_for_no_client(tmp_path: Path) -> None:
    with signaling_process(tmp_path) as running:
        deaf = [await RawSocket.websocket(running.url, path) for path in ("/ws", "/ws/room")]
        waiting = await RawSocket.open(running.url)
        waiting.write(handshake("/ws")[:40])
        blank = await RawSocket.open(running.url)
        blank.write(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        began = time.monotonic()
        os.kill(running.process.pid, signal.SIGTERM)
        # they get a close frame and never answer it; the unfinished handshake is refused
        goodbye = (CLOSE, b"\x03\xe9signaling is stopping")
        assert [await one.frame() for one in deaf] == [goodbye] * 2
        assert (await waiting.answer()).code == "stopping"
        with pytest.raises(OSError, match="Connect"):
            await RawSocket.open(running.url)
        await asyncio.to_thread(running.process.wait, 10)
        took = time.monotonic() - began
    await close_all()
    assert took < 5
    assert running.process.returncode == 0
    assert "Traceback" not in (tmp_path / "signaling.log").read_text()


async def test_a_connection_during_shutdown_is_refused(service: Signaling) -> None:
    count = refused("stopping")
    host, _, port = service.url.removeprefix("http://").partition(":")
    # the kernel has accepted it, signaling has not
    early = socket.create_connection((host, int(port)))
    early.sendall(handshake("/ws"))
    await service.stop()
    early.setblocking(False)
    try:
        response = await asyncio.get_running_loop().sock_recv(early, 1_000)
    except ConnectionError:
        response = b""
    early.close()
    assert b" 101 " not in response
    assert count() <= 1


async def test_a_client_that_closes_and_does_not_read_is_removed(service: Signaling) -> None:
    ann = await service.join()
    slow = await RawSocket.websocket(service.url, "/ws/room")
    slow.write(message(type="join", plan_version=PLAN_VERSION, variant=0, token=service.token()))
    slow_id = (await ann.room_of(2))["members"][1]["id"]
    lost = MESSAGES_DROPPED._value.get()
    for number in range(190):  # until the kernel takes no more
        await ann.send(type="signal", to=slow_id, data="x" * 60_000)
        if MESSAGES_DROPPED._value.get() > lost:
            break
        await asyncio.sleep(0.0 if number < 100 else 0.05)
    assert MESSAGES_DROPPED._value.get() > lost
    slow.write(frame(b"\x03\xe8", CLOSE))
    await until(lambda: len(service.websockets) == 1)

"""Who is let in, over real sockets: each refusal has a code, a message and a metric."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import REGISTRY

from shoal.join_tokens import LIFETIME_S, SKEW_S, issue
from shoal.local.gateway import Gateway
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.signaling import door
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.websockets import RELAYS_LOST
from tests.integration.signaling_station import JOIN_SECRET, TOKEN, Signaling, running_signaling
from tests.support.raw_websocket import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RawSocket,
    close_all,
    frame,
    handshake,
    head,
    message,
)
from tests.support.signaling import signaling_process
from tests.support.station import free_port

[LIVE] = info_hashes(SWARM_ID)
TORRENT = "".join(chr(n) for n in range(236, 256))
MAX_SOCKETS = 5
MAX_MESSAGES = 20.0
EDGE = "CF-Connecting-IP: 203.0.113.7"
BROADCASTER = f"Authorization: Bearer {TOKEN}"


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling(
        embed_origins=["https://blog.example"],
        max_sockets_per_address=MAX_SOCKETS,
        max_messages_per_s=MAX_MESSAGES,
    ) as running:
        yield running


class Counted:
    """How much a counter has risen since this was made."""

    def __init__(self, name: str, code: str) -> None:
        self._name, self._labels = f"{name}_total", {"code": code}
        self._before = self._now()

    def _now(self) -> float:
        return REGISTRY.get_sample_value(self._name, self._labels) or 0.0

    def __call__(self) -> float:
        return self._now() - self._before


def refused(code: str) -> Counted:
    return Counted("shoal_handshakes_refused", code)


def cut(code: str) -> Counted:
    return Counted("shoal_signaling_sockets_cut", code)


def announce(number: int, info_hash: str = LIVE, **fields: Any) -> bytes:
    peer_id = f"-XX0001-{number:012d}"
    fields = {"info_hash": info_hash, "peer_id": peer_id, "left": 1, **fields}
    return message(action="announce", **fields)


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not probe():  # noqa: ASYNC110 - there is no event of it
            await asyncio.sleep(0.01)


# --- whose page asks ---


@pytest.mark.parametrize("path", ["/ws", "/ws/room"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "\xff\xfe", "https://127.0.0.1:1"]
)
async def test_a_page_of_elsewhere_is_refused(service: Signaling, path: str, origin: str) -> None:
    count = refused("origin")
    answer = await RawSocket.ask(service.url, handshake(path, Origin=origin))
    assert (answer.status, answer.code, count()) == (403, "origin", 1)
    assert answer.headers["x-shoal"] == "signaling"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/ws", "/ws/room"])
@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://blog.example", None])
async def test_our_own_pages_the_embedding_ones_and_programs_may_connect(
    service: Signaling, path: str, origin: str | None
) -> None:
    await RawSocket.websocket(service.url, path, Origin=origin)


# --- tokens ---


def tokens() -> dict[str, str]:
    now = time.time()
    return {
        "missing": "",
        "invalid": "1.99999999999." + "x" * 43,
        "expired": issue(JOIN_SECRET, "127.0.0.1", now - LIFETIME_S - SKEW_S - 2),
        "of another host": issue(JOIN_SECRET, "other.example", now),
        "of another station": issue("other secret", "127.0.0.1", now),
        "rubbish": "\u2603 %00",
    }


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("missing", "token_missing"),
        ("expired", "token_expired"),
        ("invalid", "token_invalid"),
        ("of another host", "token_invalid"),
        ("of another station", "token_invalid"),
        ("rubbish", "token_invalid"),
    ],
)
async def test_rooms_and_live_swarms_need_a_token(
    service: Signaling, which: str, code: str
) -> None:
    token = tokens()[which]
    count = Counted("shoal_room_refusals", code)
    viewer = await RawSocket.websocket(service.url, "/ws/room")
    viewer.write(message(type="join", plan_version=PLAN_VERSION, variant=0, token=token))
    error = await viewer.next()
    assert (error["type"], error["code"], count()) == ("error", code, 1)
    assert "token" in error["message"]
    assert await viewer.close_code() == 1008

    count = Counted("shoal_tracker_refusals", code)
    async with service.session.ws_connect(f"{service.url}/ws", params={"token": token}) as client:
        await client.send_json({"action": "announce", "info_hash": LIVE, "peer_id": "p" * 20})
        refusal = await client.receive_json(timeout=10)
        assert refusal["failure reason"].startswith(f"{code}: ")
        assert (refusal["info_hash"], count()) == (LIVE, 1)
        await client.send_json({"action": "scrape", "info_hash": LIVE})  # it stays open
        assert (await client.receive_json(timeout=10))["files"][LIVE]["incomplete"] == 0


async def test_a_token_that_ends_while_one_is_connected_ends_nothing(service: Signaling) -> None:
    short = service.token(lifetime_s=1 - SKEW_S)
    client = await RawSocket.websocket(service.url, f"/ws?token={short}")
    await asyncio.sleep(2.1)
    client.write(announce(1))
    assert (await client.next())["incomplete"] == 1


async def test_the_seeder_s_torrents_are_for_everybody_and_only_it_registers(
    service: Signaling,
) -> None:
    seed = service.seed_url.partition("seed=")[2]
    count = Counted("shoal_tracker_refusals", "unknown_torrent")
    forged = [
        await RawSocket.websocket(service.url, f"/ws?seed={seed[:-1]}A"),
        await RawSocket.websocket(service.url, f"/ws?seed={seed}", EDGE),
        await RawSocket.websocket(service.url, f"/ws?seed={TOKEN.replace(' ', '%20')}"),
        await RawSocket.websocket(service.url, f"/ws?token={service.token()}"),
        await RawSocket.websocket(service.url, "/ws?seed="),
    ]
    for number, client in enumerate(forged, 1):
        client.write(announce(number, TORRENT))
        assert (await client.next())["failure reason"].startswith("unknown_torrent: ")
        assert count() == number
    seeder = await RawSocket.websocket(service.url, f"/ws?seed={seed}")
    seeder.write(announce(10, TORRENT, left=0))
    assert (await seeder.next())["complete"] == 1
    desktop = forged[0]
    offer = {"offer_id": "o" * 20, "offer": {"sdp": "v=0"}}
    desktop.write(announce(11, TORRENT, offers=[offer]))
    assert (await desktop.next())["incomplete"] == 1
    assert (await seeder.next())["offer"] == {"sdp": "v=0"}


# --- how much one may ask for ---


async def test_an_address_has_so_many_sockets_until_they_close(service: Signaling) -> None:
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
    await until(lambda: len(service.sockets) == MAX_SOCKETS - 2 + 3)
    for _ in range(2):
        await RawSocket.websocket(service.url, "/ws", EDGE)
    answer = await RawSocket.ask(service.url, handshake("/ws", EDGE))
    assert answer.status == 429
    here.write(message(action="scrape", info_hash=LIVE))
    assert (await here.next())["action"] == "scrape"


async def test_who_is_not_trusted_cannot_say_another_address() -> None:
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
async def test_too_much_of_anything_closes_its_own_socket_only(
    service: Signaling, what: bytes
) -> None:
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


async def test_coming_again_gives_no_new_allowance(service: Signaling) -> None:
    said, count = 0, refused("too_many_messages")
    flood = message(action="scrape", info_hash=LIVE) * 190
    while not count():
        client = await RawSocket.open(service.url)
        answer = await client.answer(handshake("/ws", EDGE))
        if answer.status == 101:
            client.write(flood)
            client.write(frame(b"", CLOSE))
            await client.close_code()
            said += 190
            assert said < 5_000
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
async def test_what_is_too_big_or_no_frame_closes_its_own_socket_only(
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


async def test_what_comes_after_too_big_is_not_heard(service: Signaling) -> None:
    client = await RawSocket.websocket(service.url, f"/ws?token={service.token()}")
    client.write(announce(1, padding=" " * 70_000) + announce(2))
    assert await client.close_code() == 1009
    assert service.tracker.swarms.peers == 0


# --- what the public may not see ---

PRIVATE = ["/stats", "/metrics", "/history", "/viewers", "/health"]


@pytest.mark.parametrize("path", [*PRIVATE, "/broadcaster", "/", "/nothing"])
async def test_nothing_but_the_sockets_is_shown_through_the_edge(
    service: Signaling, path: str
) -> None:
    for request in (
        head(path, "Host: x", EDGE),
        head(path, "Host: x", "cf-connecting-ip:"),
        head(f"http://x{path}", "Host: x", EDGE),
        head(path, "Host: x", EDGE, version="HTTP/1.0"),
        head(f"{path}?x=/ws", "Host: x", EDGE),
        head(path, "Host: x", EDGE, "Upgrade: websocket", "Connection: Upgrade"),
        handshake(path, EDGE, BROADCASTER),
    ):
        answer = await RawSocket.ask(service.url, request)
        assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "target",
    [
        "/ws/../metrics",
        "/ws/../../metrics",
        "/ws/%2e%2e/metrics",
        "/ws/..%2fmetrics",
        "/ws%2f..%2fmetrics",
        "/ws/./../stats",
        "/ws//metrics",
        "//metrics",
        "///ws/../metrics",
        "/ws?x=/metrics",
        "/ws#/metrics",
        "/ws/room/../../metrics",
        "/ws;/metrics",
        "/ws\\..\\metrics",
        "/metrics",
        "/stats",
        "/history",
        "/viewers",
        "/broadcaster",
        "/health",
        "http://127.0.0.1/metrics",
        "http://127.0.0.1/ws/../metrics",
        "http://metrics/ws",
        "*",
    ],
)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
async def test_no_way_leads_through_the_public_routes(
    service: Signaling, gateway: str, target: str, version: str
) -> None:
    """Signaling is asked for its sockets only, whatever the path, the method and the host."""
    for method in ("GET", "POST", "CONNECT", "OPTIONS"):
        for lines in (("Host: tv.example",), ("Host: localhost:8081",), ("Host: 127.0.0.1", EDGE)):
            client = await RawSocket.open(gateway)
            client.write(head(target, *lines, "Connection: close", method=method, version=version))
            said = await client.ended()
            client.writer.close()
            assert b"shoal_" not in said
            assert b'"viewers"' not in said
            assert b" 101 " not in said
            if b"X-Shoal: signaling" in said:
                assert said.split()[1] in (b"404", b"405", b"426", b"400")


@pytest_asyncio.fixture
async def gateway(service: Signaling) -> AsyncGenerator[str]:
    """The URL of a gateway; its other services answer with a page."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="a page")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port, page_port = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", page_port).start()
    pages = dict.fromkeys(("broadcaster", "owncast", "site"), f"http://127.0.0.1:{page_port}")
    gateway = Gateway({"signaling": service.url, **pages}, port, free_port())
    await gateway.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await gateway.close()
        await runner.cleanup()


async def test_the_gateway_leads_to_the_sockets(service: Signaling, gateway: str) -> None:
    client = await RawSocket.websocket(gateway, f"/ws?token={service.token()}")
    client.write(announce(1))
    assert (await client.next())["incomplete"] == 1
    assert (
        await RawSocket.ask(gateway, handshake("/ws", Origin="https://a.example"))
    ).status == 403


async def test_the_broadcaster_s_socket_is_for_the_broadcaster(service: Signaling) -> None:
    count = refused("unauthorized")
    for wrong in ((), ("Authorization: Bearer x",), ("Authorization: \xff",)):
        answer = await RawSocket.ask(service.url, handshake("/broadcaster", *wrong))
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert count() == 3
    socket = await RawSocket.websocket(service.url, "/broadcaster", BROADCASTER)
    assert (await socket.next())["type"] == "resume"


# --- the door ---


@pytest.mark.parametrize("path", ["/ws", "/ws?token=x", "/ws/room"])
async def test_who_comes_without_a_handshake_is_told_so(service: Signaling, path: str) -> None:
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
async def test_a_wrong_handshake_is_refused_and_counts_for_nothing(
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
    assert len(service.sockets) == 0


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive"])
async def test_every_browser_s_connection_header_will_do(
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


async def test_what_follows_the_head_makes_no_handshake_of_it(service: Signaling) -> None:
    answer = await RawSocket.ask(service.url, head("/ws", "Host: x") + handshake("/ws"))
    assert (answer.status, answer.code) == (426, "upgrade_required")


async def test_a_connection_is_closed_after_a_plain_answer(service: Signaling) -> None:
    """A handshake that came next on it would end at aiohttp, silently."""
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
    said = await pipelined.ended()
    assert said.count(b"HTTP/1.1 ") == 1
    assert b" 101 " not in said


async def test_a_half_closed_socket_is_answered_and_closed(service: Signaling) -> None:
    client = await RawSocket.open(service.url)
    client.write(handshake("/ws") + message(action="scrape", info_hash=LIVE))
    client.writer.write_eof()
    assert (await client.answer()).status == 101
    assert (await client.next())["action"] == "scrape"
    assert await client.ended() == b""
    await until(lambda: len(service.sockets) == 0)
    plain = await RawSocket.open(service.url)
    plain.write(head("/health", "Host: x"))
    plain.writer.write_eof()
    await plain.ended()
    half = await RawSocket.open(service.url)
    half.write(handshake("/ws")[:50])
    half.writer.write_eof()
    assert await half.ended() == b""


async def test_who_finishes_no_head_is_told_why_and_out(
    service: Signaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(door, "MAX_WAITING", 3)
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
async def test_what_is_no_websocket_is_over_in_time(
    service: Signaling, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(door, "PLAIN_TIMEOUT_S", 0.3)
    client = await RawSocket.open(service.url)
    client.write(sent)
    await client.ended()


# --- the end ---


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
        # they hear of it, and never close; the one that was not in yet is refused
        assert [await one.frame() for one in deaf] == [(CLOSE, b"\x03\xe9signaling stops")] * 2
        assert (await waiting.answer()).code == "stopping"
        with pytest.raises(OSError, match="Connect"):
            await RawSocket.open(running.url)
        await asyncio.to_thread(running.process.wait, 10)
        took = time.monotonic() - began
    await close_all()
    assert took < 5
    assert running.process.returncode == 0
    assert "Traceback" not in (tmp_path / "signaling.log").read_text()


async def test_who_came_while_it_stops_is_refused(service: Signaling) -> None:
    count = refused("stopping")
    host, _, port = service.url.removeprefix("http://").partition(":")
    early = socket.create_connection((host, int(port)))  # the kernel has it, we do not
    early.sendall(handshake("/ws"))
    await service.stop()
    early.setblocking(False)
    try:
        said = await asyncio.get_running_loop().sock_recv(early, 1_000)
    except ConnectionError:
        said = b""
    early.close()
    assert b" 101 " not in said
    assert count() <= 1


async def test_who_says_goodbye_and_does_not_read_is_gone(service: Signaling) -> None:
    ann = await service.join()
    slow = await RawSocket.websocket(service.url, "/ws/room")
    slow.write(message(type="join", plan_version=PLAN_VERSION, variant=0, token=service.token()))
    slow_id = (await ann.room_of(2))["members"][1]["id"]
    lost = RELAYS_LOST._value.get()
    for number in range(190):  # until nothing more goes to it
        await ann.send(type="signal", to=slow_id, data="x" * 60_000)
        if RELAYS_LOST._value.get() > lost:
            break
        await asyncio.sleep(0.0 if number < 100 else 0.05)
    assert RELAYS_LOST._value.get() > lost
    slow.write(frame(b"\x03\xe8", CLOSE))
    await until(lambda: len(service.sockets) == 1)

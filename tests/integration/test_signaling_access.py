"""Access over real sockets: each refusal has a code, a message and a metric."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from aiohttp import web

from shoal.auth import CLOCK_SKEW_S, JOIN_TOKEN_LIFETIME_S, issue_join_token
from shoal.local.gateway import Gateway
from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.integration.signaling_station import JOIN_SECRET, TOKEN, Signaling
from tests.integration.signaling_strict import (
    BROADCASTER,
    EDGE,
    LIVE,
    Counted,
    announce,
    refused,
    strict_signaling,
)
from tests.support.raw_websocket import (
    RawSocket,
    handshake,
    head,
    message,
)
from tests.support.station import free_port

TORRENT = "".join(chr(n) for n in range(236, 256))


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with strict_signaling() as running:
        yield running


@pytest.mark.parametrize("path", ["/ws", "/ws/room"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "\xff\xfe", "https://127.0.0.1:1"]
)
async def test_a_foreign_page_is_refused(service: Signaling, path: str, origin: str) -> None:
    count = refused("origin")
    answer = await RawSocket.ask(service.url, handshake(path, Origin=origin))
    assert (answer.status, answer.code, count()) == (403, "origin", 1)
    assert answer.headers["x-shoal"] == "signaling"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/ws", "/ws/room"])
@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://blog.example", None])
async def test_own_pages_embedding_pages_and_programs_may_connect(
    service: Signaling, path: str, origin: str | None
) -> None:
    await RawSocket.websocket(service.url, path, Origin=origin)


# --- tokens ---


def tokens() -> dict[str, str]:
    now = time.time()
    return {
        "missing": "",
        "invalid": "1.99999999999." + "x" * 43,
        "expired": issue_join_token(
            JOIN_SECRET, "127.0.0.1", now - JOIN_TOKEN_LIFETIME_S - CLOCK_SKEW_S - 2
        ),
        "of another host": issue_join_token(JOIN_SECRET, "other.example", now),
        "of another station": issue_join_token("other secret", "127.0.0.1", now),
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


async def test_a_token_that_expires_does_not_disconnect(service: Signaling) -> None:
    short = service.token(lifetime_s=1 - CLOCK_SKEW_S)
    client = await RawSocket.websocket(service.url, f"/ws?token={short}")
    await asyncio.sleep(2.1)
    client.write(announce(1))
    assert (await client.next())["incomplete"] == 1


async def test_only_the_seeder_registers_torrents_and_everybody_may_fetch_them(
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


# --- limits ---


PRIVATE = ["/stats", "/metrics", "/history", "/viewers", "/health"]


@pytest.mark.parametrize("path", [*PRIVATE, "/broadcaster", "/", "/nothing"])
async def test_only_websockets_are_served_through_the_edge(service: Signaling, path: str) -> None:
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
async def test_the_public_routes_reach_only_the_websockets(
    service: Signaling, gateway: str, target: str, version: str
) -> None:
    """With any path, method and host, the gateway reaches only signaling's WebSockets."""
    for method in ("GET", "POST", "CONNECT", "OPTIONS"):
        for lines in (("Host: tv.example",), ("Host: localhost:8081",), ("Host: 127.0.0.1", EDGE)):
            client = await RawSocket.open(gateway)
            client.write(head(target, *lines, "Connection: close", method=method, version=version))
            response = await client.ended()
            client.writer.close()
            assert b"shoal_" not in response
            assert b'"viewers"' not in response
            assert b" 101 " not in response
            if b"X-Shoal: signaling" in response:
                assert response.split()[1] in (b"404", b"405", b"426", b"400")


@pytest_asyncio.fixture
async def gateway(service: Signaling) -> AsyncGenerator[str]:
    """The URL of a gateway whose other services answer with a page."""

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


async def test_the_gateway_forwards_to_the_websockets(service: Signaling, gateway: str) -> None:
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


# --- the listener ---

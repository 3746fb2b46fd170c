"""The gateway with real upstreams; raw bytes where a client library would normalize requests."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import WSMsgType

from shoal.local import ports
from shoal.local.gateway import Gateway
from tests.integration.gateway_station import BODY, NAMES, Station, running_gateway


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    async with running_gateway() as running:
        yield running


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("/", "site"),
        ("/live", "broadcaster"),
        ("/live/playlist.m3u8?x=/ws", "broadcaster"),
        ("/live/0/../x", "broadcaster"),
        ("/%6cive/x", "broadcaster"),
        ("/live%2Fx", "broadcaster"),
        ("/lively", "site"),
        ("/foo/live", "site"),
        ("//live", "site"),
        ("/LIVE", "site"),
        ("/%2Flive", "site"),
        ("/x?/live", "site"),
        ("/ws", "signaling"),
        ("/ws/room", "signaling"),
        ("/wss", "site"),
        ("/metrics", "site"),
    ],
)
async def test_routes_match_the_tunnel_and_paths_are_unchanged(
    station: Station, target: str, service: str
) -> None:
    assert await station.answered_by(target) == service
    assert station.upstreams[service].requests[0].raw_path == target


@pytest.mark.parametrize("target", ["/hls/stream.m3u8", "/admin", "/%68ls/0/x.ts"])
async def test_owncast_is_not_reachable(station: Station, target: str) -> None:
    head, body = await station.raw(target)
    assert head.startswith("HTTP/1.1 403")
    assert "Cache-Control: no-store" in head
    assert b'"error"' in body
    assert station.upstreams["owncast"].requests == []


async def test_only_the_edge_sets_the_client_address(station: Station) -> None:
    forged = {"X_Forwarded_For": "6.6.6.6", "CF_Connecting_IP": "6.6.6.6"}
    await station.raw("/", **forged, Origin="https://embed.example", TE="trailers")
    headers = station.upstreams["site"].requests[0].headers
    assert headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert headers.getall("CF-Connecting-IP") == ["127.0.0.1"]
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["Host"] == "tv.example"
    assert headers["Origin"] == "https://embed.example"
    assert "TE" not in headers
    assert "Accept-Encoding" not in headers
    assert "User-Agent" not in headers


async def test_only_the_edge_sets_a_websocket_client_address(station: Station) -> None:
    sent = {
        "Host": "tv.example:8888",
        "Origin": "https://embed.example",
        "CF-Connecting-IP": "6.6.6.6",
        "CF-IPCountry": "XX",
    }
    async with station.session.ws_connect(f"{station.url}/ws/room", headers=sent) as socket:
        await socket.close()
    headers = station.upstreams["signaling"].requests[0].headers
    assert headers.getall("CF-Connecting-IP") == ["127.0.0.1"]
    assert "CF-IPCountry" not in headers
    assert headers.getall("Host") == ["tv.example:8888"]
    assert headers.getall("Origin") == ["https://embed.example"]


async def test_ranges_head_and_conditional_requests(station: Station) -> None:
    url = f"{station.url}/live/0/segment.ts"
    async with station.session.get(url) as response:
        assert await response.read() == BODY
        assert response.headers["Content-Length"] == str(len(BODY))
        assert response.content_type == "video/mp2t"
    async with station.session.get(url, headers={"Range": "bytes=10-29"}) as part:
        assert (part.status, await part.read()) == (206, BODY[10:30])
        assert part.headers["Content-Range"] == f"bytes 10-29/{len(BODY)}"
    head, body = await station.raw("/live/0/segment.ts", "HEAD")
    assert head.startswith("HTTP/1.1 200")
    assert f"Content-Length: {len(BODY)}" in head
    assert "Transfer-Encoding" not in head
    assert body == b""
    head, body = await station.raw("/live/0/segment.ts", If_None_Match='"seg"')
    assert head.startswith("HTTP/1.1 304")
    assert 'etag: "seg"' in head.lower()
    assert body == b""


async def test_redirects_and_encodings_are_left_to_the_client(station: Station) -> None:
    head, _ = await station.raw("/live/redirect")
    assert head.startswith("HTTP/1.1 302")
    assert "Location: http://store.example/x.ts" in head
    _, body = await station.raw("/live/gzip", Accept_Encoding="gzip")
    assert gzip.decompress(body) == b"text"


async def test_bodies_are_streamed(station: Station) -> None:
    async with station.session.get(f"{station.url}/slow") as response:
        assert await response.content.read(5) == b"first"
        station.upstreams["site"].release.set()
        assert await response.content.read() == b"second"

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    async with station.session.post(f"{station.url}/upload", data=upload()) as response:
        assert await response.text() == "10000000"
    async with station.session.put(f"{station.url}/upload", data=b"abc") as response:
        assert await response.text() == "3"
        assert station.upstreams["site"].requests[-1].headers["Content-Length"] == "3"


async def test_a_partial_body_does_not_look_complete(station: Station) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        async with station.session.get(f"{station.url}/cut") as response:
            await response.read()


async def test_an_upstream_that_is_down_is_a_502(station: Station) -> None:
    unused = ports.free_ports(["x"], {})["x"]
    chosen = ports.free_ports(["gateway", "metrics"], {})
    urls: dict[str, str] = dict.fromkeys(NAMES, f"http://127.0.0.1:{unused}")
    gateway = Gateway(urls, chosen["gateway"], chosen["metrics"])
    await gateway.start()
    try:
        url = f"http://127.0.0.1:{chosen['gateway']}"
        async with station.session.get(f"{url}/live/x") as response:
            assert response.status == 502
            assert response.headers["Cache-Control"] == "no-store"
            assert (await response.json())["error"]["code"] == "bad_gateway"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await station.session.ws_connect(f"{url}/ws")
        assert refused.value.status == 502
    finally:
        await gateway.close()


async def test_websockets_forward_messages_and_close_frames(station: Station) -> None:
    signaling = station.upstreams["signaling"]
    async with station.session.ws_connect(
        f"{station.url}/ws/room?t=1", protocols=["other", "shoal.1"], autoping=False
    ) as socket:
        assert socket.protocol == "shoal.1"
        await socket.send_str("hällo")
        assert (await socket.receive(5)).data == "hällo"
        await socket.send_bytes(b"\0" * 1_000_000)
        assert len((await socket.receive(5)).data) == 1_000_000
        await socket.ping(b"are you there")
        pong = await socket.receive(5)
        assert (pong.type, pong.data) == (WSMsgType.PONG, b"are you there")
        await socket.close(code=4001, message=b"left")
        assert socket.close_code == 4001
    assert await asyncio.wait_for(signaling.closed.get(), 5) == 4001
    assert signaling.requests[0].raw_path == "/ws/room?t=1"
    assert signaling.requests[0].headers["CF-Connecting-IP"] == "127.0.0.1"


async def test_the_upstream_closes_disconnects_or_refuses(station: Station) -> None:
    async with station.session.ws_connect(f"{station.url}/ws/kicked") as socket:
        message = await socket.receive(5)
        assert (message.type, message.data, message.extra) == (
            WSMsgType.CLOSE,
            4003,
            "token expired",
        )
    async with station.session.ws_connect(f"{station.url}/ws/vanish") as socket:
        assert (await socket.receive(5)).type is not WSMsgType.CLOSE
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await station.session.ws_connect(f"{station.url}/ws/refuse")
    assert refused.value.status == 401
    assert refused.value.headers is not None
    assert refused.value.headers["WWW-Authenticate"] == "Bearer"


async def test_a_client_that_disconnects_leaves_no_socket_open(station: Station) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{station.url}/ws")
        await socket.send_str("x")
        await socket.receive(5)
        assert socket._response.connection is not None  # pyright: ignore[reportPrivateUsage]
        transport = socket._response.connection.transport  # pyright: ignore[reportPrivateUsage]
        assert transport is not None
        transport.abort()
        code = await asyncio.wait_for(station.upstreams["signaling"].closed.get(), 5)
        assert code != 1001


async def test_bytes_are_counted_by_upstream_and_kind(station: Station) -> None:
    before = {name: await station.counted(name) for name in ("broadcaster", "site")}
    await station.raw("/live/0/segment.ts")
    await station.raw("/live/0/segment.ts", Range="bytes=0-99")
    await station.raw("/live/0/segment.ts", "HEAD")
    await station.raw("/live/x")
    await station.raw("/")
    after = {name: await station.counted(name) for name in ("broadcaster", "site")}

    def added(service: str, kind: str) -> float:
        return after[service].get(kind, 0) - before[service].get(kind, 0)

    assert added("broadcaster", "video") == len(BODY) + 100
    assert added("broadcaster", "other") == len("broadcaster")
    assert added("site", "other") == len("site")
    assert added("site", "video") == 0
    head, _ = await station.raw("/metrics")
    assert "X-Shoal: site" in head

"""The gateway before real upstreams, in raw bytes where a client library would tidy up."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from prometheus_client.parser import text_string_to_metric_families

from shoal.local import ports
from shoal.local.gateway import Gateway

BODY = bytes(range(256)) * 1000
NAMES = ("signaling", "broadcaster", "owncast", "site")


@dataclass
class Upstream:
    """One upstream service: answers with its name, remembers what it was asked."""

    name: str
    url: str = ""
    requests: list[web.Request] = field(default_factory=list[web.Request])
    closed: "asyncio.Queue[int | None]" = field(default_factory=asyncio.Queue["int | None"])
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        kind = request.path.rpartition("/")[2]
        if request.headers.get("Upgrade") == "websocket":
            return await self.websocket(request, kind)
        if kind in ("slow", "cut"):
            return await self.stream(request, kind)
        return await self.page(request, kind)

    async def page(self, request: web.Request, kind: str) -> web.Response:
        headers = {"X-Shoal": self.name}
        match kind:
            case "segment.ts":
                return self.segment(request)
            case "gzip":
                return web.Response(
                    body=gzip.compress(b"text"), headers={"Content-Encoding": "gzip"}
                )
            case "redirect":
                return web.Response(status=302, headers={"Location": "http://store.example/x.ts"})
            case "upload":
                return web.Response(text=str(len(await request.read())), headers=headers)
            case _:
                return web.Response(text=self.name, headers=headers)

    async def stream(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        if kind == "cut":
            response.content_length = 1000
        await response.prepare(request)
        await response.write(b"first")
        if kind == "cut":
            assert request.transport is not None
            request.transport.abort()
        else:
            await self.release.wait()
            await response.write(b"second")
        return response

    def segment(self, request: web.Request) -> web.Response:
        headers = {"ETag": '"seg"', "Content-Type": "video/mp2t", "Accept-Ranges": "bytes"}
        if request.headers.get("If-None-Match") == '"seg"':
            return web.Response(status=304, headers={"ETag": '"seg"'})
        wanted = request.http_range
        if wanted.start is None:
            return web.Response(body=BODY, headers=headers)
        part = BODY[wanted]
        end = wanted.start + len(part) - 1
        headers["Content-Range"] = f"bytes {wanted.start}-{end}/{len(BODY)}"
        return web.Response(status=206, body=part, headers=headers)

    async def websocket(self, request: web.Request, kind: str) -> web.StreamResponse:
        if kind == "refuse":
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        socket = web.WebSocketResponse(protocols=["shoal.1"])
        await socket.prepare(request)
        if kind == "kicked":
            await socket.close(code=4003, message=b"token expired")
            return socket
        if kind == "vanish":
            assert request.transport is not None
            request.transport.abort()
            return socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        await self.closed.put(socket.close_code)
        return socket


@dataclass
class Station:
    upstreams: dict[str, Upstream]
    port: int
    metrics_port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, target: str, method: str = "GET", **headers: str) -> tuple[str, bytes]:
        """Send a request target as it is; return the response's head and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        head = f"Host: tv.example\r\nConnection: close\r\n{head}"
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
        answer = await reader.read()
        writer.close()
        head_bytes, _, body = answer.partition(b"\r\n\r\n")
        return head_bytes.decode(), body

    async def answered_by(self, target: str) -> str:
        head, body = await self.raw(target)
        assert head.startswith("HTTP/1.1 200"), head
        return body.decode()

    async def counted(self, service: str) -> dict[str, float]:
        async with self.session.get(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            text = await response.text()
        return {
            sample.labels["kind"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "shoal_http_response_bytes_total"
            and sample.labels["service"] == f"gateway:{service}"
        }


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    chosen = ports.free_ports([*NAMES, "gateway", "metrics"], {})
    upstreams: dict[str, Upstream] = {}
    runners: list[web.AppRunner] = []
    for name in NAMES:
        upstream = upstreams[name] = Upstream(name, f"http://127.0.0.1:{chosen[name]}")
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", upstream.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", chosen[name]).start()
        runners.append(runner)
    urls = {name: upstream.url for name, upstream in upstreams.items()}
    gateway = Gateway(urls, chosen["gateway"], chosen["metrics"])
    await gateway.start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Station(upstreams, chosen["gateway"], chosen["metrics"], session)
    await gateway.close()
    for runner in runners:
        await runner.cleanup()


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
async def test_routes_are_the_tunnels_and_paths_pass_unchanged(
    station: Station, target: str, service: str
) -> None:
    assert await station.answered_by(target) == service
    assert station.upstreams[service].requests[0].raw_path == target


@pytest.mark.parametrize("target", ["/hls/stream.m3u8", "/admin", "/%68ls/0/x.ts"])
async def test_owncast_is_closed(station: Station, target: str) -> None:
    head, body = await station.raw(target)
    assert head.startswith("HTTP/1.1 403")
    assert "Cache-Control: no-store" in head
    assert b'"error"' in body
    assert station.upstreams["owncast"].requests == []


async def test_the_client_is_named_by_the_edge_alone(station: Station) -> None:
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


async def test_a_websocket_s_client_is_named_likewise(station: Station) -> None:
    said = {
        "Host": "tv.example:8888",
        "Origin": "https://embed.example",
        "CF-Connecting-IP": "6.6.6.6",
        "CF-IPCountry": "XX",
    }
    async with station.session.ws_connect(f"{station.url}/ws/room", headers=said) as socket:
        await socket.close()
    headers = station.upstreams["signaling"].requests[0].headers
    assert headers.getall("CF-Connecting-IP") == ["127.0.0.1"]
    assert "CF-IPCountry" not in headers
    assert headers.getall("Host") == ["tv.example:8888"]
    assert headers.getall("Origin") == ["https://embed.example"]


async def test_ranges_heads_and_conditions(station: Station) -> None:
    url = f"{station.url}/live/0/segment.ts"
    async with station.session.get(url) as whole:
        assert await whole.read() == BODY
        assert whole.headers["Content-Length"] == str(len(BODY))
        assert whole.content_type == "video/mp2t"
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


async def test_redirects_and_encodings_are_the_clients(station: Station) -> None:
    head, _ = await station.raw("/live/redirect")
    assert head.startswith("HTTP/1.1 302")
    assert "Location: http://store.example/x.ts" in head
    _, body = await station.raw("/live/gzip", Accept_Encoding="gzip")
    assert gzip.decompress(body) == b"text"


async def test_bodies_pass_through_as_they_come(station: Station) -> None:
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


async def test_half_a_body_does_not_look_whole(station: Station) -> None:
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


async def test_websockets_pass_both_ways_and_close_as_they_were_closed(station: Station) -> None:
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


async def test_the_upstream_may_close_vanish_or_refuse(station: Station) -> None:
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


async def test_a_client_that_vanishes_leaves_no_socket_behind(station: Station) -> None:
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

    def more(service: str, kind: str) -> float:
        return after[service].get(kind, 0) - before[service].get(kind, 0)

    assert more("broadcaster", "video") == len(BODY) + 100
    assert more("broadcaster", "other") == len("broadcaster")
    assert more("site", "other") == len("site")
    assert more("site", "video") == 0
    head, _ = await station.raw("/metrics")
    assert "X-Shoal: site" in head

"""A gateway, with upstreams that respond with their names."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import WSMsgType, web
from prometheus_client.parser import text_string_to_metric_families

from shoal.local import ports
from shoal.local.gateway import Gateway

BODY = bytes(range(256)) * 1000
NAMES = ("signaling", "broadcaster", "owncast", "site")


@dataclass
class Upstream:
    """An upstream service that responds with its name and records requests."""

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
        """Send a request target unchanged; return the response's head and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        head = f"Host: tv.example\r\nConnection: close\r\n{head}"
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
        response = await reader.read()
        writer.close()
        head_bytes, _, body = response.partition(b"\r\n\r\n")
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


@asynccontextmanager
async def running_gateway() -> AsyncIterator[Station]:
    """Run a gateway in front of four upstreams."""
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

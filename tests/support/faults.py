"""Proxies in front of a station's services, which forward everything except for one fault."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from shoal.local.gateway import end_to_end_headers

TEXT = ("json", "mpegurl", "html")
Change = Callable[[str], str | None]
"""text frame → its replacement; None: the frame is dropped"""
HOP = ("Content-Length", "Content-Encoding", "ETag")


@dataclass
class Reply:
    """The response that the client will get."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def swap(self, old: str, new: str) -> None:
        """Replace text in the body."""
        self.body = self.body.replace(old.encode(), new.encode())


@dataclass(frozen=True)
class Fault:
    """What goes wrong. A field that is None has no effect."""

    edit: Callable[[web.Request, Reply], None] | None = None
    """changes a response"""
    redirect: Callable[[str], str | None] | None = None
    """path → the base URL of another service for this request"""
    to_server: Change | None = None
    """changes frames to a WebSocket's server"""
    to_client: Change | None = None
    """changes frames to a WebSocket's client"""
    no_sockets: bool = False


@dataclass
class Proxy:
    """A proxy in front of one service."""

    upstream: str
    host: str = "127.0.0.1"
    url: str = ""
    fault: Fault = field(default_factory=Fault)
    swaps: Mapping[str, str] = field(default_factory=dict[str, str])
    """replacements in all responses, so that URLs point to the proxies"""
    ssl: Any = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self.host, 0, ssl_context=self.ssl)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"{'https' if self.ssl else 'http'}://127.0.0.1:{port}"
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        base = (self.fault.redirect and self.fault.redirect(request.path)) or self.upstream
        headers = end_to_end_headers(request.headers)
        if request.headers.get("Upgrade", "").lower() == "websocket" and not self.fault.no_sockets:
            return await self._socket(request, base, headers)
        async with self._session.request(
            request.method, f"{base}{request.raw_path}", headers=headers, allow_redirects=False
        ) as upstream:
            body = await upstream.read()
            reply = Reply(upstream.status, end_to_end_headers(upstream.headers), body)
        for name in HOP:
            reply.headers.popall(name, None)
        self._swap(reply)
        if self.fault.edit is not None:
            self.fault.edit(request, reply)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    def _swap(self, reply: Reply) -> None:
        if any(kind in reply.headers.get("Content-Type", "") for kind in TEXT):
            for old, new in self.swaps.items():
                reply.swap(old, new)
        for name in ("Location", "Content-Security-Policy"):
            if name in reply.headers:
                for old, new in self.swaps.items():
                    reply.headers[name] = reply.headers[name].replace(old, new)

    async def _socket(
        self, request: web.Request, base: str, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        for name in [name for name in headers if name.lower().startswith("sec-websocket")]:
            headers.popall(name, None)
        async with self._session.ws_connect(f"{base}{request.raw_path}", headers=headers) as server:
            client = web.WebSocketResponse()
            await client.prepare(request)

            async def copy(source: Any, target: Any, change: Change | None) -> None:
                async for message in source:
                    frame: str = message.data  # signaling and viewers send only text
                    text = change(frame) if change else frame
                    if text is not None:
                        await target.send_str(text)

            both = (
                asyncio.create_task(copy(client, server, self.fault.to_server)),
                asyncio.create_task(copy(server, client, self.fault.to_client)),
            )
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await client.close()
            return client


class Proxies:
    """Runs proxies in a thread."""

    def __init__(self, **proxies: Proxy) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._proxies = proxies

    def __enter__(self) -> dict[str, Proxy]:
        self._thread.start()
        for proxy in self._proxies.values():
            self._await(proxy.start())
        return self._proxies

    def __exit__(self, *_exception: object) -> None:
        for proxy in self._proxies.values():
            self._await(proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _await(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

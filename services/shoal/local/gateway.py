"""The local gateway: one public port, in place of cloudflared and Cloudflare's edge.

It follows the route table of `shoal.routes`. The route is chosen by the decoded path; the upstream
receives the original path. Bodies are streamed in both directions; redirects and encodings are left
to the client.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from shoal import routes
from shoal import web as shoal_web
from shoal.errors import OperatorError
from shoal.local import ports
from shoal.local.websocket_proxy import proxy_messages

CONNECT_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

HOP_BY_HOP_HEADERS = frozenset(  # RFC 9110 7.6.1 and RFC 2616 13.5.1
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# each hop of a WebSocket has its own, RFC 6455 4.1
WEBSOCKET_HOP_HEADERS = frozenset(
    {
        *("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"),
        *("sec-websocket-accept", "sec-websocket-protocol"),
    }
)
EDGE_HEADERS = frozenset(
    {"x-forwarded-for", "x-forwarded-proto", "cf-connecting-ip", "cf-ipcountry"}
)
CLIENT_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


def end_to_end_headers(headers: "CIMultiDictProxy[str] | CIMultiDict[str]") -> CIMultiDict[str]:
    """Return the headers that are not only for this hop."""
    listed = {
        name.strip().lower()
        for value in headers.getall("Connection", [])
        for name in value.split(",")
    }
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if name.lower() not in HOP_BY_HOP_HEADERS and name.lower() not in listed
    )


def upstream_headers(
    headers: "CIMultiDictProxy[str] | CIMultiDict[str]", client: str
) -> CIMultiDict[str]:
    """Return a request's headers as the edge forwards them, for a client's address.

    `Host` and `Origin` are the client's own: they tell services the station's name and the site of
    the requesting page.
    """
    forwarded = end_to_end_headers(headers)
    for name in (*EDGE_HEADERS, "Expect"):
        forwarded.popall(name, None)
    forwarded["X-Forwarded-For"] = client
    forwarded["X-Forwarded-Proto"] = "http"
    forwarded["CF-Connecting-IP"] = client
    return forwarded


def decoded_path(target: str) -> str:
    """Return the path of a request target as routes match it: decoded, without query."""
    path = target.partition("?")[0]
    if not path.startswith("/"):  # absolute form, RFC 9112 3.2.2
        path = URL(path, encoded=True).raw_path
    return unquote(path, errors="replace")


class Gateway:
    """The public port, and a second one on loopback for its own `/metrics`."""

    def __init__(self, upstreams: Mapping[str, str], port: int, metrics_port: int) -> None:
        """`upstreams` maps services of the route table to http URLs."""
        self._upstreams = upstreams
        self._port = port
        self._metrics_port = metrics_port
        self._table = routes.routes(access=False)
        self._session: aiohttp.ClientSession | None = None
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Listen on loopback. Raises OperatorError if a port cannot be opened."""
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            skip_auto_headers=CLIENT_HEADERS,
        )
        public = web.Application()
        public.router.add_route("*", "/{path:.*}", self._handle)
        public.router.add_route("*", "/", self._handle)
        metrics = web.Application()
        metrics.router.add_get("/metrics", shoal_web.metrics)
        try:
            await self._listen(public, self._port)
            await self._listen(metrics, self._metrics_port)
        except OperatorError:
            await self.close()
            raise

    async def _listen(self, app: web.Application, port: int) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        self._runners.append(runner)
        for host in ports.loopback_hosts():
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise OperatorError(
                    f"cannot listen on port {port}: {error.strerror}; "
                    "choose another one with --port"
                ) from error

    async def close(self) -> None:
        """Stop listening and end open requests."""
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path
        service = routes.match(self._table, "station", decoded_path(target)).service
        if service.startswith("http_status:"):
            status = HTTPStatus(int(service.removeprefix("http_status:")))
            response = shoal_web.error_response(
                status, "no_route", f"{request.path}: not reachable through the tunnel"
            )
            return self._counted(request, service, response)
        url = URL(self._upstreams[service].rstrip("/") + target, encoded=True)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._websocket(request, service, url)
            return await self._http(request, service, url)
        except (aiohttp.ClientError, OSError) as error:
            response = shoal_web.error_response(
                HTTPStatus.BAD_GATEWAY, "bad_gateway", f"{service} does not respond: {error}"
            )
            return self._counted(request, service, response)

    async def _http(self, request: web.Request, service: str, url: URL) -> web.StreamResponse:
        assert self._session is not None  # start() came first
        async with self._session.request(
            request.method,
            url,
            headers=upstream_headers(request.headers, request.remote or ""),
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as upstream:
            response = web.StreamResponse(
                status=upstream.status,
                reason=upstream.reason,
                headers=end_to_end_headers(upstream.headers),
            )
            sent = 0
            try:
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                    sent += len(chunk)
                await response.write_eof()
            except (aiohttp.ClientError, OSError):
                _abort(request)  # a partial body must not look complete
            finally:
                self._count(request, service, response.status, upstream.content_type, sent)
            return response

    async def _websocket(self, request: web.Request, service: str, url: URL) -> web.StreamResponse:
        assert self._session is not None  # start() came first
        headers = upstream_headers(request.headers, request.remote or "")
        protocols = [
            name.strip()
            for value in request.headers.getall("Sec-WebSocket-Protocol", [])
            for name in value.split(",")
        ]
        for name in WEBSOCKET_HOP_HEADERS:
            headers.popall(name, None)
        try:
            upstream = await self._session.ws_connect(
                url,
                headers=headers,
                protocols=protocols,
                autoping=False,
                autoclose=False,
                max_msg_size=MAX_MESSAGE_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            # the body is lost, but browsers do not show it to pages anyway
            forwarded = end_to_end_headers(CIMultiDict(error.headers or {}))
            for name in (
                "Content-Length",
                "Content-Type",
                "Content-Encoding",
                *WEBSOCKET_HOP_HEADERS,
            ):
                forwarded.popall(name, None)
            status = error.status if error.status >= 300 else HTTPStatus.BAD_GATEWAY
            response = shoal_web.error_response(
                status,
                "no_websocket",
                f"{service} refused the WebSocket with status {error.status}",
            )
            response.headers.update(forwarded)
            return self._counted(request, service, response)
        response = web.WebSocketResponse(
            protocols=[upstream.protocol] if upstream.protocol else [],
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
        )
        sent = 0
        try:
            await response.prepare(request)
            sent = await proxy_messages(response, upstream, lambda: _abort(request))
        finally:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await upstream.close()
            self._count(request, service, HTTPStatus.SWITCHING_PROTOCOLS, "", sent)
        return response

    def _counted(self, request: web.Request, service: str, response: web.Response) -> web.Response:
        body = cast("bytes", response.body or b"")
        size = 0 if request.method == "HEAD" else len(body)
        self._count(request, service, response.status, response.content_type, size)
        return response

    def _count(
        self, request: web.Request, service: str, status: int, content_type: str, size: int
    ) -> None:
        shoal_web.count_response(f"gateway:{service}", request.path, status, content_type, size)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

"""The one port: WebSocket requests go to picows, all others to aiohttp.

picows alone is fast enough for a crowd, and aiohttp alone serves HTTP. The head of a connection's
first request decides between them. A client that does not finish its head in time, or sends too
long a head, is disconnected.
"""

import asyncio
import logging
import re
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import cast

import msgspec
from aiohttp import web
from picows import (
    WSAutoPingStrategy,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import (
    WSProtocol,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
)
from prometheus_client import Counter
from yarl import URL

from shoal.signaling.access import Refusal
from shoal.signaling.websocket import MAX_MESSAGE_BYTES, WebSocket
from shoal.web import cannot_listen, prepare, started

SERVICE = "signaling"

HEAD_TIMEOUT_S = 10.0
MAX_HEAD_BYTES = 16 * 1024
MAX_PENDING = 1_500
"""connections without a complete head; beyond this the oldest is refused"""
PLAIN_TIMEOUT_S = 20.0
"""for a plain HTTP connection to end: aiohttp itself waits forever for a first request"""
BACKLOG = 1_024
"""connections that the kernel queues while we are busy: a crowd arrives all at once"""
READ_BUFFER_BYTES = 3_328
"""initial size, doubled for longer messages: an announce with five offers has 5.4 KB"""

HANDSHAKES_REFUSED = Counter(
    "shoal_handshakes_refused", "Requests for a WebSocket that were refused, by code", ["code"]
)

HEADERS: Mapping[str, str] = {"X-Shoal": SERVICE}

_protocol = cast("Callable[..., asyncio.BufferedProtocol]", WSProtocol)
_picows_log = logging.getLogger("shoal.signaling.websocket")
_picows_log.setLevel(logging.CRITICAL)  # it logs every connection; metrics count what matters

_PATH = re.compile(rb"GET ([^ ?]+)[^ ]* HTTP/1\.1\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_END_OF_HEAD = b"\r\n\r\n"

_HEAD_ERRORS: Mapping[str, tuple[HTTPStatus, str]] = {
    "slow_head": (HTTPStatus.REQUEST_TIMEOUT, f"no complete request within {HEAD_TIMEOUT_S:g} s"),
    "long_head": (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"the request's head is longer than {MAX_HEAD_BYTES} bytes",
    ),
    "too_many_waiting": (HTTPStatus.SERVICE_UNAVAILABLE, "too many incomplete requests"),
    "stopping": (HTTPStatus.SERVICE_UNAVAILABLE, "signaling is stopping"),
}
"""why a connection is closed before its head is complete"""

AcceptHandshake = Callable[[WSUpgradeRequest, str], WebSocket | Refusal]
"""accepts or refuses a handshake, given the request and the address of the socket's peer"""


class Listener:
    """Listens, and hands each connection to picows or aiohttp."""

    def __init__(
        self, app: web.Application, paths: frozenset[bytes], accept: AcceptHandshake
    ) -> None:
        """Ask `accept` about WebSockets for `paths`; `app` serves everything else."""
        self._app = app
        self._runner: web.AppRunner | None = None
        self._paths = paths
        self._accept = accept
        self._pending: dict[_PendingConnection, None] = {}
        self._servers: list[asyncio.Server] = []
        self._closed = False

    async def start(self, url: str, *, shared: bool, own_url: str | None) -> None:
        """Listen on `url`, and on `own_url`, the address of this process alone, if it is set.

        `shared` lets other processes listen on `url` too. Raises OperatorError if listening fails.
        """
        self._runner = await prepare(self._app, SERVICE)
        if own_url is not None:
            await self._listen(own_url, shared=False)
        await self._listen(url, shared=shared)
        started(SERVICE, url)

    async def _listen(self, url: str, *, shared: bool) -> None:
        address = URL(url)
        try:
            server = await asyncio.get_running_loop().create_server(
                partial(_PendingConnection, self),
                address.host,
                address.port or 0,
                backlog=BACKLOG,
                reuse_port=shared,
            )
        except OSError as error:
            self.close()
            await self.clean_up()
            raise cannot_listen(SERVICE, url, error) from error
        self._servers.append(server)

    def close(self) -> None:
        """Stop listening; open connections continue."""
        self._closed = True
        for server in self._servers:
            server.close()
        for pending in tuple(self._pending):
            pending.refuse("stopping")

    async def clean_up(self) -> None:
        """Shut the application down."""
        if self._runner is not None:
            await self._runner.cleanup()

    def add_pending(self, pending: "_PendingConnection") -> None:
        """Register a connection without a complete head."""
        self._pending[pending] = None
        if self._closed:  # it was in the kernel's queue
            pending.refuse("stopping")
        elif len(self._pending) > MAX_PENDING:
            next(iter(self._pending)).refuse("too_many_waiting")

    def remove_pending(self, pending: "_PendingConnection") -> None:
        """Unregister a connection."""
        self._pending.pop(pending, None)

    def protocol_for(self, head: bytes, peer: str) -> asyncio.BaseProtocol:
        """Return the protocol that takes a connection over."""
        path = _PATH.match(head)
        if (
            path
            and path[1] in self._paths
            and _UPGRADE.search(head, 0, head.index(_END_OF_HEAD) + 2)
        ):
            return _websocket(partial(self._respond, peer=peer))
        assert self._runner is not None  # prepared before listening
        assert self._runner.server is not None
        return self._runner.server()

    def _respond(self, request: WSUpgradeRequest, peer: str) -> WSUpgradeResponseWithListener:
        result = self._accept(request, peer)
        if not isinstance(result, Refusal):
            result = _handshake_refusal(request) or result
        if isinstance(result, Refusal):
            HANDSHAKES_REFUSED.labels(result.code).inc()
            return WSUpgradeResponseWithListener(_error_response(result), None)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(HEADERS), result)


def _handshake_refusal(request: WSUpgradeRequest) -> Refusal | None:
    """Return what is wrong with a handshake (RFC 6455, 4.2.1), or None; adapt it for picows."""
    headers = request.headers
    connection = headers.get("Connection", "").lower()
    if "upgrade" not in (option.strip() for option in connection.split(",")):
        return Refusal(400, "handshake", "Connection must name Upgrade")
    headers["Connection"] = "upgrade"  # Firefox sends "keep-alive, Upgrade"
    if headers.get("Sec-WebSocket-Version") != "13":
        return Refusal(400, "handshake", "Sec-WebSocket-Version must be 13")
    if not _KEY.fullmatch(headers.get("Sec-WebSocket-Key", "")):
        return Refusal(400, "handshake", "Sec-WebSocket-Key must be 16 bytes in base64")
    return None


def _error_response(refusal: Refusal) -> WSUpgradeResponse:
    body = {"error": {"code": refusal.code, "message": refusal.message}}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **HEADERS}
    return WSUpgradeResponse.create_error_response(
        HTTPStatus(refusal.status), msgspec.json.encode(body), headers
    )


def _websocket(
    factory: Callable[[WSUpgradeRequest], WSUpgradeResponseWithListener],
) -> asyncio.BufferedProtocol:
    """Return the server side of a WebSocket, as `picows.ws_create_server` creates it."""
    return _protocol(
        None,
        None,
        False,
        factory,
        _picows_log,
        True,
        HEAD_TIMEOUT_S,
        False,
        0,
        0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,
        MAX_MESSAGE_BYTES,
        None,
        READ_BUFFER_BYTES,
    )


class _PendingConnection(asyncio.Protocol):
    """A connection whose first request is not complete yet."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # a cast by interface: uvloop's class is another one
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_TIMEOUT_S, self.refuse, "slow_head")
        self._listener.add_pending(self)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if _END_OF_HEAD in self._head[:MAX_HEAD_BYTES]:
            self._hand_over()
        elif len(self._head) > MAX_HEAD_BYTES:
            self.refuse("long_head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()

    def refuse(self, code: str) -> None:
        """Respond with the error `code`, and close."""
        HANDSHAKES_REFUSED.labels(code).inc()
        self._stop_waiting()
        if self._transport is not None:
            status, message = _HEAD_ERRORS[code]
            response = _error_response(Refusal(status, code, message))
            response.headers["Connection"] = "close"
            self._transport.write(response.to_bytes())
            self._transport.close()

    def _stop_waiting(self) -> None:
        self._listener.remove_pending(self)
        if self._timer is not None:
            self._timer.cancel()

    def _hand_over(self) -> None:
        self._stop_waiting()
        transport, head = self._transport, self._head
        assert transport is not None
        peer = transport.get_extra_info("peername")
        protocol = self._listener.protocol_for(head, peer[0] if peer else "")
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if isinstance(protocol, asyncio.BufferedProtocol):
            _feed(protocol, head)
        else:
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(head)
            abort_if_open = partial(_abort, weakref.ref(transport))
            asyncio.get_running_loop().call_later(PLAIN_TIMEOUT_S, abort_if_open)


def _abort(transport: "weakref.ref[asyncio.Transport]") -> None:
    if (open_transport := transport()) is not None:
        open_transport.abort()


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Pass on bytes that arrived before the protocol took over."""
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        chunk = data[: len(buffer)]
        buffer[: len(chunk)] = chunk
        data = data[len(chunk) :]
        protocol.buffer_updated(len(chunk))

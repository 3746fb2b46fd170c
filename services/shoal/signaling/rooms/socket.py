"""`/ws/room`: one WebSocket of one viewer. Frames go to the hub; the hub's go to the outbox."""

import asyncio
import logging

from aiohttp import WSCloseCode, WSMsgType, web

from shoal.signaling.hub import Hub
from shoal.signaling.metrics import FIGURES_REFUSED, ROOM_MESSAGES, ROOM_REFUSALS
from shoal.signaling.outbox import accept
from shoal.signaling.rooms.messages import (
    BadMessageError,
    FromViewer,
    Join,
    MemberId,
    Ready,
    Refusal,
    Signal,
    Stats,
    Switch,
    decode,
    encode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION

log = logging.getLogger("shoal.signaling")

HEARTBEAT_S = 25.0
"""a ping after this silence, the socket closed after half of it without an answer: keeps
Cloudflare's idle limit of 100 s away, and a viewer that vanished is out within 40 s"""
JOIN_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 64 * 1024


class RefusedError(Exception):
    """This viewer is told why, and its socket closed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def converse(request: web.Request, hub: Hub) -> web.WebSocketResponse:
    """Serve one viewer until it leaves, is refused, or reads too slowly."""
    socket, outbox = await accept(request, HEARTBEAT_S, MAX_MESSAGE_BYTES)
    if outbox is None:
        return socket
    hub.sockets.add(outbox)
    member: MemberId | None = None
    code = WSCloseCode.OK
    try:
        async with outbox.reading():
            joined = await _first_join(socket, JOIN_TIMEOUT_S)
            if joined is None:
                return socket
            member = hub.join(outbox, joined.variant, sharing=joined.sharing)
            while (frame := await _next_frame(socket)) is not None:
                _handle(hub, member, _decoded(frame))
    except RefusedError as refused:
        ROOM_REFUSALS.labels(refused.code).inc()
        outbox.put(encode(Refusal(refused.code, str(refused))))
        code = WSCloseCode.POLICY_VIOLATION
    finally:
        if member is not None:
            hub.leave(member)
        if outbox.overflowed:
            ROOM_REFUSALS.labels("slow_reader").inc()
            log.warning("viewer %s cut off: it reads too slowly", member)
        await outbox.close(code)
        hub.sockets.discard(outbox)
    return socket


async def _first_join(socket: web.WebSocketResponse, timeout_s: float) -> Join | None:
    """Return the viewer's `join`, or None when it went; what it says before that is ignored."""
    try:
        async with asyncio.timeout(timeout_s):
            while (frame := await _next_frame(socket)) is not None:
                if isinstance(message := _decoded(frame), Join):
                    break
            else:
                return None
    except TimeoutError as error:
        raise RefusedError("join_timeout", f"no `join` within {timeout_s:g} s") from error
    if message.plan_version != PLAN_VERSION:
        raise RefusedError(
            "plan_version",
            f"this station plans by version {PLAN_VERSION}, not {message.plan_version}:"
            " load the page again",
        )
    return message


async def _next_frame(socket: web.WebSocketResponse) -> str | bytes | None:
    """Return the next frame, or None when the socket is closed or broken."""
    frame = await socket.receive()
    return frame.data if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY) else None


def _decoded(frame: str | bytes) -> FromViewer | None:
    try:
        message = decode(frame)
    except BadMessageError as error:
        raise RefusedError("bad_message", str(error)) from error
    kind = "unknown" if message is None else type(message).__name__.lower()
    ROOM_MESSAGES.labels(kind).inc()
    return message


def _handle(hub: Hub, member: MemberId, message: FromViewer | None) -> None:
    match message:
        case Signal(to, data):
            hub.signal(member, to, data)
        case Switch(variant):
            hub.switch(member, variant)
        case Ready():
            hub.ready(member)
        case Stats():
            refusal = hub.report(member, message)
            if refusal is not None:
                FIGURES_REFUSED.labels(refusal).inc()
        case Join() | None:
            pass

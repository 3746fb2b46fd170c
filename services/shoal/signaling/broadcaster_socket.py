"""`/broadcaster`: the WebSocket on which the broadcaster announces what it published.

It lies outside the public routes, and only the bearer of the broadcaster's token is let in. When a
second broadcaster comes, the first is closed. When the broadcaster goes, viewers are told nothing:
the stream may well go on, only a `Stream` says otherwise.
"""

import asyncio
import logging

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from shoal import bearer
from shoal.announcements import Audience, FromBroadcaster, Segment, Stream, ToBroadcaster
from shoal.signaling.coalesce import coalesced
from shoal.signaling.hub import Hub
from shoal.signaling.outbox import Outbox, accept
from shoal.web import error_response

log = logging.getLogger("shoal.signaling")

HEARTBEAT_S = 10.0
MAX_MESSAGE_BYTES = 64 * 1024
AUDIENCE_INTERVAL_S = 0.25

_announcements = msgspec.json.Decoder[FromBroadcaster](FromBroadcaster)
_encoder = msgspec.json.Encoder()


async def converse(request: web.Request, hub: Hub, token: str) -> web.StreamResponse:
    """Serve a broadcaster until it goes or another one takes over."""
    if not bearer.presents(request.headers.get("Authorization"), token):
        log.warning("a broadcaster without the right token was refused")
        return error_response(401, "unauthorized", "the broadcaster's bearer token is required")
    socket, outbox = await accept(request, HEARTBEAT_S, MAX_MESSAGE_BYTES)
    if outbox is None:
        return socket
    hub.sockets.add(outbox)
    before = hub.listen_to(outbox)
    if before is not None:
        log.warning("another broadcaster connected: the one before is closed")
        before.end(WSCloseCode.POLICY_VIOLATION, "another broadcaster connected")
    outbox.put(_encode(hub.programme.resume()))
    audience = asyncio.create_task(_tell_audience(hub, outbox))
    code = WSCloseCode.GOING_AWAY
    try:
        async with outbox.reading():
            code = await _listen(socket, hub, outbox)
    finally:
        audience.cancel()
        if hub.broadcaster is outbox:
            hub.listen_to(None)
        await outbox.close(code)
        hub.sockets.discard(outbox)
    return socket


async def _listen(socket: web.WebSocketResponse, hub: Hub, outbox: Outbox) -> WSCloseCode:
    """Take announcements until the socket ends; return the code to close it with."""
    while (frame := await socket.receive()).type is WSMsgType.TEXT:
        if hub.broadcaster is not outbox:  # told to end, and this was in flight
            continue
        try:
            announcement: FromBroadcaster = _announcements.decode(frame.data)
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("the broadcaster is disconnected, it sent no announcement: %s", error)
            return WSCloseCode.POLICY_VIOLATION
        match announcement:
            case Stream():
                hub.stream(announcement)
            case Segment(descriptor):
                hub.segment(descriptor)
    return WSCloseCode.OK


async def _tell_audience(hub: Hub, outbox: Outbox) -> None:
    told: Audience | None = None
    with hub.watching() as changed:
        async for _ in coalesced(changed, AUDIENCE_INTERVAL_S):
            totals = hub.figures.totals()
            audience = Audience(hub.viewers, totals.peers, totals.uploaded)
            if audience != told:
                told = audience
                outbox.put(_encode(audience))


def _encode(message: ToBroadcaster) -> bytes:
    return _encoder.encode(message)

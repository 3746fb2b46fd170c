"""`/ws`: one WebSocket of one tracker client. Frames go to the swarms, theirs to the outboxes."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client import REGISTRY, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.signaling.outbox import Outbox, accept
from shoal.signaling.tracker.messages import (
    Announce,
    BadMessageError,
    Failure,
    FromClient,
    decode,
    encode,
)
from shoal.signaling.tracker.swarms import Connection, Outgoing, Swarms

HEARTBEAT_S = 25.0
"""a ping after this silence, the socket closed after half of it without an answer: keeps
Cloudflare's idle limit of 100 s away, and a client that vanished is out within 40 s"""
MAX_MESSAGE_BYTES = 64 * 1024
"""wt-tracker's and aquatic_ws's limit; twenty offers take about 30 KB"""
EXPIRY_INTERVAL_S = 10.0

TRACKER_MESSAGES = Counter("shoal_tracker_messages", "Messages from tracker clients", ["type"])
TRACKER_REFUSALS = Counter("shoal_tracker_refusals", "Refusals of the tracker, by code", ["code"])


class Tracker(Collector):
    """The swarms of one process and the sockets of their peers."""

    def __init__(self) -> None:
        self.swarms = Swarms()
        self.outboxes: dict[Connection, Outbox] = {}
        self._numbers = itertools.count(1)

    def enter(self, outbox: Outbox) -> Connection:
        """Take a new socket in."""
        connection = Connection(next(self._numbers))
        self.outboxes[connection] = outbox
        return connection

    def leave(self, connection: Connection) -> None:
        """Forget a socket and its peers."""
        del self.outboxes[connection]
        self.swarms.leave(connection)

    def handle(self, sender: Connection, message: FromClient) -> None:
        """Let the swarms decide, and queue what they say."""
        if isinstance(message, Announce):
            kind = "answer" if message.answers else "announce"
            answers = self.swarms.announce(sender, message, asyncio.get_running_loop().time())
        else:
            kind = "scrape"
            answers = self.swarms.scrape(sender, message)
        TRACKER_MESSAGES.labels(kind).inc()
        for outgoing in answers:
            self._send(outgoing)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield GaugeMetricFamily("shoal_tracker_swarms", "Torrents with peers", len(self.swarms))
        yield GaugeMetricFamily("shoal_tracker_peers", "Peers of all torrents", self.swarms.peers)
        yield GaugeMetricFamily("shoal_tracker_sockets", "Tracker clients", len(self.outboxes))

    def _send(self, outgoing: Outgoing) -> None:
        if isinstance(outgoing.message, Failure):
            TRACKER_REFUSALS.labels("announce").inc()
        self.outboxes[outgoing.to].put(encode(outgoing.message))


TRACKER = web.AppKey("tracker", Tracker)


def add_tracker(app: web.Application) -> None:
    """Serve the tracker on `/ws` of this application."""
    app.router.add_get("/ws", _converse)
    app.cleanup_ctx.append(_with_tracker)
    app.on_shutdown.append(_close_sockets)


async def _with_tracker(app: web.Application) -> AsyncIterator[None]:
    tracker = app[TRACKER] = Tracker()
    REGISTRY.register(tracker)
    expiry = asyncio.create_task(_expire(tracker.swarms))
    try:
        yield
    finally:
        expiry.cancel()
        with suppress(asyncio.CancelledError):
            await expiry
        REGISTRY.unregister(tracker)


async def _close_sockets(app: web.Application) -> None:
    for outbox in app[TRACKER].outboxes.values():
        outbox.end(WSCloseCode.GOING_AWAY, "signaling stops")


async def _expire(swarms: Swarms) -> None:
    while True:
        await asyncio.sleep(EXPIRY_INTERVAL_S)
        swarms.expire(asyncio.get_running_loop().time())


async def _converse(request: web.Request) -> web.WebSocketResponse:
    """Serve one client until it leaves, says what is no message, or reads too slowly."""
    socket, outbox = await accept(request, HEARTBEAT_S, MAX_MESSAGE_BYTES)
    if outbox is None:
        return socket
    tracker = request.app[TRACKER]
    connection = tracker.enter(outbox)
    code = WSCloseCode.OK
    try:
        async with outbox.reading():
            while (frame := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                tracker.handle(connection, decode(frame.data))
    except BadMessageError:
        TRACKER_REFUSALS.labels("bad_message").inc()
        code = WSCloseCode.POLICY_VIOLATION
    finally:
        tracker.leave(connection)
        if outbox.overflowed:
            TRACKER_REFUSALS.labels("slow_reader").inc()
        await outbox.close(code)
    return socket

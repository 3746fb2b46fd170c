"""WebSockets: what is heard goes to a conversation, what it says goes out in order and bounded."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from prometheus_client import Counter, Gauge

from shoal.signaling.connection_limits import Quota

log = logging.getLogger("shoal.signaling")

MAX_MESSAGE_BYTES = 64 * 1024
"""wt-tracker's and aquatic_ws's limit; twenty offers take about 30 KB"""
MAX_QUEUED_BYTES = 1024 * 1024
"""a reader that is further behind is cut off before it costs more memory"""
MAX_DROPPABLE_QUEUED_BYTES = MAX_QUEUED_BYTES // 4
"""a reader that is further behind does not get what other clients say to it"""
CLOSE_TIMEOUT_S = 2.0
"""for what is queued to leave, and the peer's close frame to come"""
SWEEP_S = 5.0
"""how often silence is looked for, in all sockets at once: a timer for each takes 2 KB"""
PING_AFTER_SWEEPS = 5
DISCONNECT_AFTER_SWEEPS = 8
"""pings from 25 s of silence on, the socket closed when no answer comes: keeps Cloudflare's idle
limit of 100 s away, and a client that vanished is out within 45 s. Counted, not measured: a machine
that slept cuts nobody off"""

WRITE_DELAY_S = 0.005
"""how long frames that are in no hurry wait for others to the same reader"""

SOCKETS = Gauge("shoal_signaling_sockets", "WebSockets that are open")
SOCKETS_DISCONNECTED = Counter(
    "shoal_signaling_sockets_cut", "WebSockets that we cut, by reason", ["code"]
)
MESSAGES_DROPPED = Counter(
    "shoal_signaling_relays_lost", "Messages between clients, lost because the reader is behind"
)

_DATA_FRAMES = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)
_CLOSE_REASONS_OF_PICOWS = {
    WSCloseCode.MESSAGE_TOO_BIG: "message_size",
}
"""what it closes sockets for, beside offences against the WebSocket protocol"""


class Connection(Protocol):
    """What is said on one socket. Both methods are called one after the other, never at once."""

    def on_message(self, message: bytes) -> None:
        """Take a whole message of the peer; it may say nothing more after the socket's `end`."""
        ...

    def on_closed(self) -> None:
        """Take note, once, that nothing more will be heard, nor taken."""
        ...


class WebSocket(WSListener):
    """One WebSocket."""

    __slots__ = (
        "_buffer",
        "_buffered_bytes",
        "_closed",
        "_connect",
        "_connection",
        "_flush_scheduled",
        "_fragments",
        "_quota",
        "_silent_sweeps",
        "_transport",
        "_websockets",
        "reads_too_slowly",
    )

    def __init__(
        self,
        websockets: "WebSockets",
        connect: "Callable[[WebSocket], Connection]",
        quota: Quota | None,
    ) -> None:
        """Let `begin` make the conversation when the handshake is done.

        More messages than the `visit` allows end the socket; None allows any number.
        """
        self.reads_too_slowly = False
        """whether the peer was cut off because it read too slowly"""
        self._websockets = websockets
        self._connect: Callable[[WebSocket], Connection] | None = connect
        self._silent_sweeps = 0
        self._quota = quota
        self._connection: Connection | None = None
        self._transport: WSTransport | None = None
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._flush_scheduled = False
        """whether what is gathered leaves at the end of this turn"""
        self._fragments = b""
        self._closed = False

    def send(self, frame: bytes, *, delayed: bool = False) -> None:
        """Send a text frame; a peer with too much before it is disconnected instead."""
        if self._closed:
            return
        if not delayed and not self._flush_scheduled:
            self._flush_scheduled = True
            self._websockets.write_batcher.flush_this_turn(self)
        elif not self._buffer:
            self._websockets.write_batcher.flush_delayed(self)
        self._buffer.append(frame)
        self._buffered_bytes += len(frame)
        if self._buffered_bytes > MAX_QUEUED_BYTES:
            self._disconnect_slow_reader()

    def send_droppable(self, frame: bytes, *, delayed: bool = False) -> None:
        """Send a text frame that another client caused; it is lost when this one is behind.

        So a client that says too much to another one cannot have it cut off.
        """
        transport = self._transport
        if transport is None or self._closed:
            return
        queued = transport.underlying_transport.get_write_buffer_size()
        if queued + self._buffered_bytes > MAX_DROPPABLE_QUEUED_BYTES:
            MESSAGES_DROPPED.inc()
        else:
            self.send(frame, delayed=delayed)

    def close(self, code: WSCloseCode, reason: str = "") -> None:
        """Say goodbye: what was put before leaves first."""
        if self._closed:
            return
        self.flush()
        self._end()
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        transport.send_close(code, reason.encode()[:120])
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)

    def flush(self) -> None:
        """Write what was gathered."""
        self._flush_scheduled = False
        if not self._buffer:
            return
        frames, self._buffer = self._buffer, []
        self._buffered_bytes = 0
        transport = self._transport
        if transport is None or self._closed or transport.is_disconnected:
            return
        if len(frames) == 1:
            transport.send(WSMsgType.TEXT, frames[0])
        else:
            transport.underlying_transport.write(b"".join(with_headers(frames)))

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin the conversation."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=MAX_QUEUED_BYTES)
        transport.request.headers.clear()  # nobody looks at them any more
        self._websockets.add(self)
        if self._quota is not None:
            self._quota.count(self._websockets.time())
        connect, self._connect = self._connect, None
        try:
            self._connection = connect and connect(self)
        except Exception:
            log.exception("a conversation did not begin, its socket is closed")
            self._disconnect(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass a whole message on; answer a close."""
        self._silent_sweeps = 0
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._end()
            if not transport.is_close_frame_sent:
                code = frame.get_close_code()
                transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
            # one that does not read what is queued would stay
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)
            return
        if self._closed or transport.is_close_frame_sent:
            return
        if self._quota is not None and not self._quota.take_message(self._websockets.time()):
            self._disconnect(WSCloseCode.POLICY_VIOLATION, "too_many_messages")
            return
        message = frame.get_payload_as_bytes()
        if kind == WSMsgType.PING:
            transport.send_pong(message)
        if kind not in _DATA_FRAMES:
            return
        if self._fragments or not frame.fin:
            message = self._fragments + message
            if len(message) > MAX_MESSAGE_BYTES:
                self._disconnect(WSCloseCode.MESSAGE_TOO_BIG, "message_size")
                return
            self._fragments = b"" if frame.fin else message
            if not frame.fin:
                return
        if self._connection is not None:
            try:
                self._connection.on_message(message)
            except Exception:
                log.exception("a conversation failed, its socket is closed")
                self._disconnect(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End the conversation."""
        sent = transport.close_handshake.sent if transport.is_close_frame_sent else None
        if sent is not None and not self._closed:
            SOCKETS_DISCONNECTED.labels(_CLOSE_REASONS_OF_PICOWS.get(sent.code, "protocol")).inc()
        self._end()
        self._websockets.remove(self)
        if self._quota is not None:
            self._quota.release(self._websockets.time())

    def pause_writing(self) -> None:
        """Cut the peer off: more than MAX_QUEUED_BYTES wait for it."""
        self._disconnect_slow_reader()

    def resume_writing(self) -> None:
        """Do nothing: who was cut off stays so."""

    def sweep(self) -> None:
        """Ping a peer that was silent for long, cut off one that does not answer."""
        self._silent_sweeps += 1
        if self._silent_sweeps < PING_AFTER_SWEEPS or self._transport is None or self._closed:
            return
        if self._silent_sweeps >= DISCONNECT_AFTER_SWEEPS:
            self._disconnect(WSCloseCode.GOING_AWAY, "no_pong")
        else:
            self._transport.send_ping()

    def _disconnect(self, code: WSCloseCode, why: str) -> None:
        SOCKETS_DISCONNECTED.labels(why).inc()
        self.close(code, why)

    def _disconnect_slow_reader(self) -> None:
        if self.reads_too_slowly:
            return
        SOCKETS_DISCONNECTED.labels("slow_reader").inc()
        self.reads_too_slowly = True
        self._end()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._buffer.clear()
        if self._connection is not None:
            try:
                self._connection.on_closed()
            except Exception:
                log.exception("a conversation failed at its end")


class WebSockets:
    """All WebSockets of one process."""

    def __init__(self) -> None:
        self._open: set[WebSocket] = set()
        self.write_batcher = WriteBatcher()
        self._empty = asyncio.Event()
        self._empty.set()
        self.time = monotonic

    def __len__(self) -> int:
        return len(self._open)

    def add(self, websocket: WebSocket) -> None:
        """Count a socket in."""
        self._open.add(websocket)
        self._empty.clear()
        SOCKETS.set(len(self._open))

    def remove(self, websocket: WebSocket) -> None:
        """Count a socket out."""
        self._open.discard(websocket)
        SOCKETS.set(len(self._open))
        if not self._open:
            self._empty.set()

    async def sweep(self) -> None:
        """Look for silent peers until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for websocket in tuple(self._open):
                websocket.sweep()

    async def close_all(self, code: WSCloseCode, reason: str) -> None:
        """End all sockets, and wait for that."""
        for websocket in tuple(self._open):
            websocket.close(code, reason)
        try:
            await asyncio.wait_for(self._empty.wait(), 2 * CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("%d sockets did not close in time", len(self._open))


class Flushable(Protocol):
    """Has frames to write."""

    def flush(self) -> None:
        """Write what was gathered, if it has not left yet."""
        ...


class WriteBatcher:
    """The sockets that have something to write."""

    def __init__(self) -> None:
        self._this_turn: list[Flushable] = []
        self._delayed: list[Flushable] = []
        self._loop = asyncio.get_running_loop()

    def flush_this_turn(self, socket: Flushable) -> None:
        """Let a socket write at the end of this turn of the event loop."""
        if not self._this_turn:
            self._loop.call_soon(self._flush_this_turn)
        self._this_turn.append(socket)

    def flush_delayed(self, socket: Flushable) -> None:
        """Let a socket write UNHURRIED_S after the first that waits like this, at the latest."""
        if not self._delayed:
            self._loop.call_later(WRITE_DELAY_S, self._flush_delayed)
        self._delayed.append(socket)

    def _flush_this_turn(self) -> None:
        sockets, self._this_turn = self._this_turn, []
        for socket in sockets:
            socket.flush()

    def _flush_delayed(self) -> None:
        sockets, self._delayed = self._delayed, []
        for socket in sockets:
            socket.flush()


def with_headers(frames: list[bytes]) -> list[bytes]:
    """Return text frames as they go over the wire, each after its header (RFC 6455, 5.2)."""
    parts: list[bytes] = []
    for frame in frames:
        size = len(frame)
        if size < 126:
            parts.append(bytes((0x81, size)))
        elif size < 1 << 16:
            parts.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        parts.append(frame)
    return parts

"""WebSockets: messages go to a protocol handler; what it sends leaves in order, within limits."""

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
"""the limit of wt-tracker and aquatic_ws; twenty offers take about 30 KB"""
MAX_QUEUED_BYTES = 1024 * 1024
"""a reader further behind than this is disconnected before it costs more memory"""
MAX_DROPPABLE_QUEUED_BYTES = MAX_QUEUED_BYTES // 4
"""a reader further behind than this does not get what other clients cause"""
CLOSE_TIMEOUT_S = 2.0
"""for queued frames to leave, and for the peer's close frame to arrive"""
SWEEP_S = 5.0
"""how often all sockets are checked for silence together: a timer for each would take 2 KB"""
PING_AFTER_SWEEPS = 5
CLOSE_AFTER_SWEEPS = 8
"""a ping from 25 s of silence on, and a close without an answer: avoids Cloudflare's idle
limit of 100 s, and removes a client that vanished within 45 s. Sweeps are counted instead of time,
so that a machine that slept closes none"""

WRITE_DELAY_S = 0.005
"""how long delayed frames wait for others to the same reader"""

SOCKETS = Gauge("shoal_signaling_sockets", "WebSockets that are open")
SOCKETS_CLOSED_BY_US = Counter(
    "shoal_signaling_sockets_cut", "WebSockets that we closed, by reason", ["code"]
)
MESSAGES_DROPPED = Counter(
    "shoal_signaling_relays_lost",
    "Messages between clients that were dropped because the reader is behind",
)

_DATA_FRAMES = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)
_CLOSE_REASONS_OF_PICOWS = {
    WSCloseCode.MESSAGE_TOO_BIG: "message_size",
}
"""what picows closes sockets for, apart from violations of the WebSocket protocol"""


class Connection(Protocol):
    """The protocol handler of one WebSocket. Its methods never run concurrently."""

    def on_message(self, message: bytes) -> None:
        """Handle a complete message. After the WebSocket's `close` nothing can be sent."""
        ...

    def on_closed(self) -> None:
        """Handle the end of the connection. Called once; no message follows."""
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
        """Let `connect` create the protocol handler when the handshake is done.

        More messages than `quota` allows close the WebSocket; None allows any number.
        """
        self.reads_too_slowly = False
        """whether the peer was disconnected for reading too slowly"""
        self._websockets = websockets
        self._connect: Callable[[WebSocket], Connection] | None = connect
        self._silent_sweeps = 0
        self._quota = quota
        self._connection: Connection | None = None
        self._transport: WSTransport | None = None
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._flush_scheduled = False
        """whether the buffer is flushed at the end of this turn"""
        self._fragments = b""
        self._closed = False

    def send(self, frame: bytes, *, delayed: bool = False) -> None:
        """Send a text frame; disconnect the peer instead if too much is queued for it."""
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
        """Send a text frame that another client caused; drop it if this client is behind.

        So no client can get another one disconnected by sending it too much.
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
        """Close with a close frame, after the frames that are queued."""
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
        """Write the buffer."""
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
        """Create the protocol handler."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=MAX_QUEUED_BYTES)
        transport.request.headers.clear()  # nobody reads them again
        self._websockets.add(self)
        if self._quota is not None:
            self._quota.count(self._websockets.time())
        connect, self._connect = self._connect, None
        try:
            self._connection = connect and connect(self)
        except Exception:
            log.exception("a protocol handler could not be created: closing its WebSocket")
            self._close_and_count(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass a complete message to the protocol handler; answer pings and closes."""
        self._silent_sweeps = 0
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._end()
            if not transport.is_close_frame_sent:
                code = frame.get_close_code()
                transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
            # a peer that does not read what is queued would stay connected
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)
            return
        if self._closed or transport.is_close_frame_sent:
            return
        if self._quota is not None and not self._quota.take_message(self._websockets.time()):
            self._close_and_count(WSCloseCode.POLICY_VIOLATION, "too_many_messages")
            return
        message = frame.get_payload_as_bytes()
        if kind == WSMsgType.PING:
            transport.send_pong(message)
        if kind not in _DATA_FRAMES:
            return
        if self._fragments or not frame.fin:
            message = self._fragments + message
            if len(message) > MAX_MESSAGE_BYTES:
                self._close_and_count(WSCloseCode.MESSAGE_TOO_BIG, "message_size")
                return
            self._fragments = b"" if frame.fin else message
            if not frame.fin:
                return
        if self._connection is not None:
            try:
                self._connection.on_message(message)
            except Exception:
                log.exception("a protocol handler failed on a message: closing its WebSocket")
                self._close_and_count(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the protocol handler, and count the reason."""
        sent = transport.close_handshake.sent if transport.is_close_frame_sent else None
        if sent is not None and not self._closed:
            SOCKETS_CLOSED_BY_US.labels(_CLOSE_REASONS_OF_PICOWS.get(sent.code, "protocol")).inc()
        self._end()
        self._websockets.remove(self)
        if self._quota is not None:
            self._quota.release(self._websockets.time())

    def pause_writing(self) -> None:
        """Disconnect the peer: more than MAX_QUEUED_BYTES wait for it."""
        self._disconnect_slow_reader()

    def resume_writing(self) -> None:
        """Do nothing: the peer has been disconnected."""

    def sweep(self) -> None:
        """Ping a peer after long silence; close the WebSocket if it does not answer."""
        self._silent_sweeps += 1
        if self._silent_sweeps < PING_AFTER_SWEEPS or self._transport is None or self._closed:
            return
        if self._silent_sweeps >= CLOSE_AFTER_SWEEPS:
            self._close_and_count(WSCloseCode.GOING_AWAY, "no_pong")
        else:
            self._transport.send_ping()

    def _close_and_count(self, code: WSCloseCode, reason: str) -> None:
        SOCKETS_CLOSED_BY_US.labels(reason).inc()
        self.close(code, reason)

    def _disconnect_slow_reader(self) -> None:
        if self.reads_too_slowly:
            return
        SOCKETS_CLOSED_BY_US.labels("slow_reader").inc()
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
                log.exception("a protocol handler failed when its WebSocket closed")


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
        """Register a WebSocket."""
        self._open.add(websocket)
        self._empty.clear()
        SOCKETS.set(len(self._open))

    def remove(self, websocket: WebSocket) -> None:
        """Unregister a WebSocket."""
        self._open.discard(websocket)
        SOCKETS.set(len(self._open))
        if not self._open:
            self._empty.set()

    async def sweep(self) -> None:
        """Check for silent peers until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for websocket in tuple(self._open):
                websocket.sweep()

    async def close_all(self, code: WSCloseCode, reason: str) -> None:
        """Close all WebSockets, and wait until they are closed."""
        for websocket in tuple(self._open):
            websocket.close(code, reason)
        try:
            await asyncio.wait_for(self._empty.wait(), 2 * CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("%d WebSockets did not close in time", len(self._open))


class Flushable(Protocol):
    """Has frames to write."""

    def flush(self) -> None:
        """Write the buffer, if it has not left yet."""
        ...


class WriteBatcher:
    """Writes once for many frames.

    Frames that are sent in one turn of the event loop leave together, and delayed ones wait a few
    milliseconds for more. This matters most for how big a crowd a small machine holds: a write
    costs more than everything else that is done for a frame, and many frames have the same reader.
    """

    def __init__(self) -> None:
        self._this_turn: list[Flushable] = []
        self._delayed: list[Flushable] = []
        self._loop = asyncio.get_running_loop()

    def flush_this_turn(self, writer: Flushable) -> None:
        """Flush at the end of this turn of the event loop."""
        if not self._this_turn:
            self._loop.call_soon(self._flush_this_turn)
        self._this_turn.append(writer)

    def flush_delayed(self, writer: Flushable) -> None:
        """Flush at the latest WRITE_DELAY_S after the first delayed frame of any reader."""
        if not self._delayed:
            self._loop.call_later(WRITE_DELAY_S, self._flush_delayed)
        self._delayed.append(writer)

    def _flush_this_turn(self) -> None:
        writers, self._this_turn = self._this_turn, []
        for writer in writers:
            writer.flush()

    def _flush_delayed(self) -> None:
        writers, self._delayed = self._delayed, []
        for writer in writers:
            writer.flush()


def with_headers(frames: list[bytes]) -> list[bytes]:
    """Return text frames in wire format, each after its header (RFC 6455, 5.2)."""
    output: list[bytes] = []
    for frame in frames:
        size = len(frame)
        if size < 126:
            output.append(bytes((0x81, size)))
        elif size < 1 << 16:
            output.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            output.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        output.append(frame)
    return output

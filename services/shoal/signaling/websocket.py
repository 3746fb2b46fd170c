"""WebSockets: what is heard goes to a conversation, what it says goes out in order and bounded."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from prometheus_client import Counter, Gauge

from shoal.signaling.connection_limits import Visit

log = logging.getLogger("shoal.signaling")

MAX_MESSAGE_BYTES = 64 * 1024
"""wt-tracker's and aquatic_ws's limit; twenty offers take about 30 KB"""
MAX_QUEUED_BYTES = 1024 * 1024
"""a reader that is further behind is cut off before it costs more memory"""
MAX_BEHIND_BYTES = MAX_QUEUED_BYTES // 4
"""a reader that is further behind does not get what other clients say to it"""
CLOSE_TIMEOUT_S = 2.0
"""for what is queued to leave, and the peer's close frame to come"""
SWEEP_S = 5.0
"""how often silence is looked for, in all sockets at once: a timer for each takes 2 KB"""
PING_AFTER_SWEEPS = 5
CUT_AFTER_SWEEPS = 8
"""pings from 25 s of silence on, the socket closed when no answer comes: keeps Cloudflare's idle
limit of 100 s away, and a client that vanished is out within 45 s. Counted, not measured: a machine
that slept cuts nobody off"""

UNHURRIED_S = 0.005
"""how long frames that are in no hurry wait for others to the same reader"""

SOCKETS = Gauge("shoal_signaling_sockets", "WebSockets that are open")
SOCKETS_CUT = Counter("shoal_signaling_sockets_cut", "WebSockets that we cut, by reason", ["code"])
RELAYS_LOST = Counter(
    "shoal_signaling_relays_lost", "Messages between clients, lost because the reader is behind"
)

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)
_CUT_BY_PICOWS = {
    WSCloseCode.MESSAGE_TOO_BIG: "message_size",
}
"""what it closes sockets for, beside offences against the WebSocket protocol"""


class Conversation(Protocol):
    """What is said on one socket. Both methods are called one after the other, never at once."""

    def hear(self, message: bytes) -> None:
        """Take a whole message of the peer; it may say nothing more after the socket's `end`."""
        ...

    def over(self) -> None:
        """Take note, once, that nothing more will be heard, nor taken."""
        ...


class Socket(WSListener):
    """One WebSocket."""

    __slots__ = (
        "_begin",
        "_conversation",
        "_ended",
        "_gathered",
        "_gathered_bytes",
        "_leaving",
        "_silent_sweeps",
        "_sockets",
        "_transport",
        "_unfinished",
        "_visit",
        "cut",
    )

    def __init__(
        self,
        sockets: "Sockets",
        begin: "Callable[[Socket], Conversation]",
        visit: Visit | None,
    ) -> None:
        """Let `begin` make the conversation when the handshake is done.

        More messages than the `visit` allows end the socket; None allows any number.
        """
        self.cut = False
        """whether the peer was cut off because it read too slowly"""
        self._sockets = sockets
        self._begin: Callable[[Socket], Conversation] | None = begin
        self._silent_sweeps = 0
        self._visit = visit
        self._conversation: Conversation | None = None
        self._transport: WSTransport | None = None
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._leaving = False
        """whether what is gathered leaves at the end of this turn"""
        self._unfinished = b""
        self._ended = False

    def put(self, frame: bytes, *, unhurried: bool = False) -> None:
        """Send a text frame; a peer with too much before it is disconnected instead."""
        if self._ended:
            return
        if not unhurried and not self._leaving:
            self._leaving = True
            self._sockets.writes.soon(self)
        elif not self._gathered:
            self._sockets.writes.unhurried(self)
        self._gathered.append(frame)
        self._gathered_bytes += len(frame)
        if self._gathered_bytes > MAX_QUEUED_BYTES:
            self._cut_off()

    def relay(self, frame: bytes, *, unhurried: bool = False) -> None:
        """Send a text frame that another client caused; it is lost when this one is behind.

        So a client that says too much to another one cannot have it cut off.
        """
        transport = self._transport
        if transport is None or self._ended:
            return
        queued = transport.underlying_transport.get_write_buffer_size()
        if queued + self._gathered_bytes > MAX_BEHIND_BYTES:
            RELAYS_LOST.inc()
        else:
            self.put(frame, unhurried=unhurried)

    def end(self, code: WSCloseCode, reason: str = "") -> None:
        """Say goodbye: what was put before leaves first."""
        if self._ended:
            return
        self.flush()
        self._over()
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        transport.send_close(code, reason.encode()[:120])
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)

    def flush(self) -> None:
        """Write what was gathered."""
        self._leaving = False
        if not self._gathered:
            return
        frames, self._gathered = self._gathered, []
        self._gathered_bytes = 0
        transport = self._transport
        if transport is None or self._ended or transport.is_disconnected:
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
        self._sockets.add(self)
        if self._visit is not None:
            self._visit.begin(self._sockets.time())
        begin, self._begin = self._begin, None
        try:
            self._conversation = begin and begin(self)
        except Exception:
            log.exception("a conversation did not begin, its socket is closed")
            self._refuse(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass a whole message on; answer a close."""
        self._silent_sweeps = 0
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._over()
            if not transport.is_close_frame_sent:
                code = frame.get_close_code()
                transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
            # one that does not read what is queued would stay
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)
            return
        if self._ended or transport.is_close_frame_sent:
            return
        if self._visit is not None and not self._visit.may_speak(self._sockets.time()):
            self._refuse(WSCloseCode.POLICY_VIOLATION, "too_many_messages")
            return
        message = frame.get_payload_as_bytes()
        if kind == WSMsgType.PING:
            transport.send_pong(message)
        if kind not in _DATA:
            return
        if self._unfinished or not frame.fin:
            message = self._unfinished + message
            if len(message) > MAX_MESSAGE_BYTES:
                self._refuse(WSCloseCode.MESSAGE_TOO_BIG, "message_size")
                return
            self._unfinished = b"" if frame.fin else message
            if not frame.fin:
                return
        if self._conversation is not None:
            try:
                self._conversation.hear(message)
            except Exception:
                log.exception("a conversation failed, its socket is closed")
                self._refuse(WSCloseCode.INTERNAL_ERROR, "internal_error")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End the conversation."""
        said = transport.close_handshake.sent if transport.is_close_frame_sent else None
        if said is not None and not self._ended:
            SOCKETS_CUT.labels(_CUT_BY_PICOWS.get(said.code, "protocol")).inc()
        self._over()
        self._sockets.remove(self)
        if self._visit is not None:
            self._visit.end(self._sockets.time())

    def pause_writing(self) -> None:
        """Cut the peer off: more than MAX_QUEUED_BYTES wait for it."""
        self._cut_off()

    def resume_writing(self) -> None:
        """Do nothing: who was cut off stays so."""

    def sweep(self) -> None:
        """Ping a peer that was silent for long, cut off one that does not answer."""
        self._silent_sweeps += 1
        if self._silent_sweeps < PING_AFTER_SWEEPS or self._transport is None or self._ended:
            return
        if self._silent_sweeps >= CUT_AFTER_SWEEPS:
            self._refuse(WSCloseCode.GOING_AWAY, "no_pong")
        else:
            self._transport.send_ping()

    def _refuse(self, code: WSCloseCode, why: str) -> None:
        SOCKETS_CUT.labels(why).inc()
        self.end(code, why)

    def _cut_off(self) -> None:
        if self.cut:
            return
        SOCKETS_CUT.labels("slow_reader").inc()
        self.cut = True
        self._over()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _over(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._gathered.clear()
        if self._conversation is not None:
            try:
                self._conversation.over()
            except Exception:
                log.exception("a conversation failed at its end")


class Sockets:
    """All WebSockets of one process."""

    def __init__(self) -> None:
        self._open: set[Socket] = set()
        self.writes = Writes()
        self._empty = asyncio.Event()
        self._empty.set()
        self.time = monotonic

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: Socket) -> None:
        """Count a socket in."""
        self._open.add(socket)
        self._empty.clear()
        SOCKETS.set(len(self._open))

    def remove(self, socket: Socket) -> None:
        """Count a socket out."""
        self._open.discard(socket)
        SOCKETS.set(len(self._open))
        if not self._open:
            self._empty.set()

    async def sweep(self) -> None:
        """Look for silent peers until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for socket in tuple(self._open):
                socket.sweep()

    async def close(self, code: WSCloseCode, reason: str) -> None:
        """End all sockets, and wait for that."""
        for socket in tuple(self._open):
            socket.end(code, reason)
        try:
            await asyncio.wait_for(self._empty.wait(), 2 * CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("%d sockets did not close in time", len(self._open))


class Gathering(Protocol):
    """Has frames to write."""

    def flush(self) -> None:
        """Write what was gathered, if it has not left yet."""
        ...


class Writes:
    """The sockets that have something to write."""

    def __init__(self) -> None:
        self._soon: list[Gathering] = []
        self._unhurried: list[Gathering] = []
        self._loop = asyncio.get_running_loop()

    def soon(self, socket: Gathering) -> None:
        """Let a socket write at the end of this turn of the event loop."""
        if not self._soon:
            self._loop.call_soon(self._write_soon)
        self._soon.append(socket)

    def unhurried(self, socket: Gathering) -> None:
        """Let a socket write UNHURRIED_S after the first that waits like this, at the latest."""
        if not self._unhurried:
            self._loop.call_later(UNHURRIED_S, self._write_unhurried)
        self._unhurried.append(socket)

    def _write_soon(self) -> None:
        sockets, self._soon = self._soon, []
        for socket in sockets:
            socket.flush()

    def _write_unhurried(self) -> None:
        sockets, self._unhurried = self._unhurried, []
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

"""What waits to be sent on one WebSocket: in order, bounded, and closed in an orderly way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

MAX_QUEUED_BYTES = 1024 * 1024
"""a reader that is further behind is cut off before it costs more memory"""
CLOSE_TIMEOUT_S = 2.0
"""for what is queued to leave, and again for the peer's close frame"""


class Outbox:
    """The sending side of a prepared WebSocket. `put` never blocks; a task does the sending.

    One task reads the socket, inside `reading`, and closes it; others may ask it to with `end`.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        limit_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self.overflowed = False
        """whether the peer was cut off because it read too slowly"""
        self._socket = socket
        self._transport = transport
        self._limit_bytes = limit_bytes
        self._queued_bytes = 0
        self._closing = False
        self._reading: asyncio.Timeout | None = None
        self._ended: tuple[int, str] | None = None
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def put(self, frame: bytes) -> None:
        """Queue a text frame; a peer with too much queued already is disconnected instead."""
        if self._closing or self.overflowed:
            return
        if self._queued_bytes + len(frame) > self._limit_bytes:
            self.overflowed = True
            self._transport.abort()
            return
        self._queued_bytes += len(frame)
        self._frames.put_nowait(frame)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[None]:
        """Let the body read the socket until it is done, or until somebody calls `end`."""
        try:
            async with asyncio.timeout(None) as self._reading:
                yield
        except TimeoutError:
            if self._ended is None:
                raise
        finally:
            self._reading = None

    def end(self, code: int, reason: str) -> None:
        """Break off the reading, so that its task closes the socket with this code."""
        if self._ended is None and self._reading is not None:
            self._ended = (code, reason)
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def close(self, code: int) -> None:
        """Send what is queued, then close with `code`, or with that of `end`.

        A peer that does not take it, or does not close in turn, is cut off.
        """
        code, reason = self._ended or (code, "")
        self._closing = True
        self._frames.put_nowait(None)
        done, _ = await asyncio.wait({self._writer}, timeout=CLOSE_TIMEOUT_S)
        if not done:
            self._transport.abort()
            self._writer.cancel()
        await self._socket.close(code=code, message=reason.encode())
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # nobody reads this any more

    async def _write(self) -> None:
        while (frame := await self._frames.get()) is not None:
            try:
                await self._socket.send_frame(frame, WSMsgType.TEXT)
            except ConnectionError:
                return
            self._queued_bytes -= len(frame)


async def accept(
    request: web.Request, heartbeat_s: float, max_message_bytes: int
) -> tuple[web.WebSocketResponse, Outbox | None]:
    """Answer a WebSocket handshake; without an outbox when the client is gone already.

    A ping follows after `heartbeat_s` of silence; a longer message than `max_message_bytes` ends
    the socket with 1009.
    """
    socket = web.WebSocketResponse(
        heartbeat=heartbeat_s,
        max_msg_size=max_message_bytes,
        timeout=CLOSE_TIMEOUT_S,
        compress=False,
    )
    await socket.prepare(request)
    if request.transport is None:
        return socket, None
    return socket, Outbox(socket, request.transport)

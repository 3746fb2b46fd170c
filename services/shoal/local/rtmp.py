"""The RTMP port: accepts one push at a time and forwards it to an ffmpeg."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from shoal.errors import OperatorError
from shoal.local import ports

RTMP_VERSION = b"\x03"  # Adobe RTMP specification 1.0, 5.2.2: C0
HANDSHAKE_BYTES = 1 + 1536  # C0 and C1
HANDSHAKE_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 10.0  # without data for this long, the publisher is gone
CONNECT_TIMEOUT_S = 10.0
CONNECT_RETRY_S = 0.05
CHUNK_BYTES = 64 * 1024

log = logging.getLogger("shoal.local.rtmp")


class Push:
    """The connection of an RTMP publisher that has begun its handshake."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handshake = handshake
        self.closed = asyncio.Event()
        self.address = str(writer.get_extra_info("peername")[0])

    async def splice(self, port: int) -> None:
        """Forward the push to the ffmpeg that will listen on `port`, until either side ends.

        Raises ConnectionError if nothing listens there within 10 s.
        """
        reader, writer = await _connect(port)
        writer.write(self._handshake)
        try:
            copies = (
                asyncio.create_task(_copy(self._reader, writer, IDLE_TIMEOUT_S)),
                asyncio.create_task(_copy(reader, self._writer, None)),
            )
            try:
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for copy in copies:
                    copy.cancel()
                await asyncio.gather(*copies, return_exceptions=True)
        finally:
            writer.close()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        self.closed.set()


class RtmpPort:
    """Listens for pushes; `on_push` gets each one, and must `close` it in the end."""

    def __init__(self, port: int, on_push: Callable[[Push], None]) -> None:
        self._port = port
        self._on_push = on_push
        self._publisher: Push | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on loopback. Raises OperatorError if the port cannot be opened."""
        try:
            self._server = await asyncio.start_server(
                self._serve, ports.loopback_hosts(), self._port
            )
        except OSError as error:
            raise OperatorError(
                f"cannot listen for RTMP on port {self._port}: {error.strerror}; "
                "choose another port with --rtmp-port"
            ) from error

    async def close(self) -> None:
        """Stop listening and disconnect the publisher."""
        if self._server is not None:
            self._server.close()
        if self._publisher is not None:
            self._publisher.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                handshake = await reader.readexactly(1)
                if handshake == RTMP_VERSION:
                    handshake += await reader.readexactly(HANDSHAKE_BYTES - 1)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            handshake = b""
        if len(handshake) != HANDSHAKE_BYTES:
            log.warning("closed a connection to the RTMP port: not RTMP")
            writer.close()
            return
        push = Push(reader, writer, handshake)
        if self._publisher is not None:
            log.warning("closed a push from %s: another one is playing", push.address)
            push.close()
            return
        self._publisher = push
        try:
            self._on_push(push)
            await push.closed.wait()
        finally:
            self._publisher = None
            writer.close()


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    return await asyncio.open_connection("127.0.0.1", port)
                await asyncio.sleep(CONNECT_RETRY_S)
    except TimeoutError:
        raise ConnectionError(f"ffmpeg does not listen on port {port}") from None


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_s: float | None
) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        while chunk := await asyncio.wait_for(reader.read(CHUNK_BYTES), idle_s):
            writer.write(chunk)
            await writer.drain()

"""A WebSocket client that writes raw bytes, for input that no client library would send."""

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TIMEOUT_S = 10.0


def head(path: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """Return the head of a request with these header lines, latin-1."""
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")


def handshake(path: str, *lines: str, **changed: str | None) -> bytes:
    """Return a handshake; `changed` headers (`_` for `-`) replace the usual ones, None removes
    one."""
    usual: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    }
    usual |= {name.replace("_", "-"): text for name, text in changed.items()}
    return head(path, *(f"{name}: {text}" for name, text in usual.items() if text), *lines)


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, mask: bytes = b"abcd") -> bytes:
    """Return a client's frame."""
    size = len(payload)
    start = bytes([fin << 7 | opcode])
    if size < 126:
        start += bytes([0x80 | size])
    elif size < 1 << 16:
        start += b"\xfe" + struct.pack("!H", size)
    else:
        start += b"\xff" + struct.pack("!Q", size)
    key = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return start + mask + masked.to_bytes(size, "big")


def message(**fields: Any) -> bytes:
    """Return a text frame of JSON."""
    return frame(json.dumps(fields).encode())


_held: "list[RawSocket]" = []


async def close_all() -> None:
    """Close every connection."""
    for held in _held:
        held.writer.transport.abort()
    _held.clear()
    await asyncio.sleep(0)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return json.loads(self.body)["error"]["code"]


class RawSocket:
    """One connection; a reference is kept until `close_all`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        _held.append(self)

    @classmethod
    async def open(cls, url: str) -> "RawSocket":
        """Connect to the host and port of an http URL."""
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    @classmethod
    async def ask(cls, url: str, request: bytes) -> Answer:
        """Send a request on a new connection; return the response."""
        socket = await cls.open(url)
        try:
            return await socket.answer(request)
        finally:
            socket.writer.close()

    @classmethod
    async def websocket(
        cls, url: str, path: str, *lines: str, **changed: str | None
    ) -> "RawSocket":
        """Return a connection after its handshake."""
        socket = await cls.open(url)
        answer = await socket.answer(handshake(path, *lines, **changed))
        assert answer.status == 101, answer
        return socket

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def answer(self, request: bytes = b"") -> Answer:
        """Send a request, and return its response."""
        if request:
            self.writer.write(request)
        async with asyncio.timeout(TIMEOUT_S):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): text.strip()
                for name, _, text in (line.partition(":") for line in lines if line)
            }
            status = int(first.split()[1])
            size = int(headers.get("content-length", 0))
            return Answer(status, headers, await self.reader.readexactly(size))

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        async with asyncio.timeout(TIMEOUT_S):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                [size] = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                [size] = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 15, await self.reader.readexactly(size)

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    async def close_code(self) -> int | None:
        """Skip everything before the close frame; return its code, None without one."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big") if payload else None
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def ended(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

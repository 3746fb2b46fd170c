"""When sockets write: what was gathered for a reader leaves with one write.

Frames that are put in one turn of the event loop leave together, and what is in no hurry waits a
few milliseconds for more. That is most of what makes a small machine hold a big crowd: a write
costs more than all else that is done for a frame, and many frames have the same reader.
"""

import asyncio
from typing import Protocol

UNHURRIED_S = 0.005
"""how long frames that are in no hurry wait for others to the same reader"""


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

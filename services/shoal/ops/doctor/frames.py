"""Frames on a data channel (docs/protocol.md, "Pieces on the wire"): as much as one piece needs."""

import struct
from collections.abc import Iterator

HEADER = struct.Struct(">BBHIII")
"""type, variant, piece, sequence; of a piece: offset, bytes of the whole piece"""
PIECE, REQUEST = 1, 3
PAYLOAD_BYTES = 32 * 1024


def request(variant: int, sequence: int, piece: int) -> bytes:
    """Ask for a piece."""
    return HEADER.pack(REQUEST, variant, piece, sequence, 0, 0)


def cut(variant: int, sequence: int, piece: int, data: bytes) -> Iterator[bytes]:
    """Return the frames of a piece."""
    for offset in range(0, len(data), PAYLOAD_BYTES):
        header = HEADER.pack(PIECE, variant, piece, sequence, offset, len(data))
        yield header + data[offset : offset + PAYLOAD_BYTES]


class Assembly:
    """A piece that comes in frames, in any order."""

    def __init__(self, variant: int, sequence: int, piece: int) -> None:
        self._about = (PIECE, variant, piece, sequence)
        self._parts: dict[int, bytes] = {}

    def add(self, frame: bytes) -> bytes | None:
        """Take a frame; return the piece once it is whole. Frames of others are passed over."""
        if len(frame) < HEADER.size:
            return None
        *about, offset, total = HEADER.unpack_from(frame)
        if tuple(about) != self._about:
            return None
        self._parts[offset] = frame[HEADER.size :]
        if sum(map(len, self._parts.values())) < total:
            return None
        return b"".join(part for _, part in sorted(self._parts.items()))

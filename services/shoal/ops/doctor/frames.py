"""Frames of a data channel (docs/protocol.md, "Pieces on the wire"), as far as one piece needs."""

import struct
from collections.abc import Iterator

HEADER = struct.Struct(">BBHIII")
"""type, variant, piece, media sequence; for a piece also its offset and total bytes"""
PIECE, REQUEST = 1, 3
PAYLOAD_BYTES = 32 * 1024


def encode_request(variant: int, sequence: int, piece: int) -> bytes:
    """Return the frame that requests a piece."""
    return HEADER.pack(REQUEST, variant, piece, sequence, 0, 0)


def encode_piece(variant: int, sequence: int, piece: int, data: bytes) -> Iterator[bytes]:
    """Yield the frames of a piece."""
    for offset in range(0, len(data), PAYLOAD_BYTES):
        header = HEADER.pack(PIECE, variant, piece, sequence, offset, len(data))
        yield header + data[offset : offset + PAYLOAD_BYTES]


class PieceAssembler:
    """Puts together a piece whose frames arrive in any order."""

    def __init__(self, variant: int, sequence: int, piece: int) -> None:
        self._piece = (PIECE, variant, piece, sequence)
        self._payloads: dict[int, bytes] = {}

    def add(self, frame: bytes) -> bytes | None:
        """Add a frame; return the piece once it is complete. Other frames are ignored."""
        if len(frame) < HEADER.size:
            return None
        *piece, offset, total = HEADER.unpack_from(frame)
        if tuple(piece) != self._piece:
            return None
        self._payloads[offset] = frame[HEADER.size :]
        if sum(map(len, self._payloads.values())) < total:
            return None
        return b"".join(payload for _, payload in sorted(self._payloads.items()))

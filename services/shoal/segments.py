"""Descriptors: what viewers need to fetch, verify and share a segment."""

import base64
import hashlib

import msgspec

MIN_PIECE_BYTES = 16 * 1024
MAX_PIECES = 32


class Descriptor(msgspec.Struct, frozen=True, kw_only=True):
    """One published segment, as `/live/segments.json` and the room protocol carry it."""

    variant: int
    """0 is the first one configured in Owncast"""
    sequence: int
    """media sequence in our playlist"""
    name: str
    """Owncast's file name, `stream-<id>-<segment index>.ts`"""
    url: str
    """absolute URL of the object in the store"""
    size: int
    """bytes"""
    duration: float
    """seconds, the playlist's EXTINF"""
    program_date_time: str
    """ISO 8601, the wall clock of the first frame"""
    discontinuity: bool
    """whether EXT-X-DISCONTINUITY precedes it"""
    sha256: str
    """hash of the whole segment, hex"""
    piece_size: int
    """bytes of every piece except the last: a power of two, at least 16 KiB"""
    pieces: tuple[str, ...]
    """SHA-256 of each piece, base64; at most 32"""
    infohash: str | None = None
    """v1 infohash of the segment's torrent, hex; null while it has none"""
    magnet: str | None = None
    """magnet URI of the segment's torrent; null while it has none"""
    stored: bool = True
    """false: only the torrent seed had it when it was published; the store may still lack it"""


class VariantSegments(msgspec.Struct, frozen=True):
    """The descriptors of one variant, oldest first."""

    segments: tuple[Descriptor, ...]


class SegmentList(msgspec.Struct, frozen=True):
    """Body of `/live/segments.json` and `/live/<variant>/segments.json`."""

    stream: str | None
    """Owncast's id of the current stream; null before the first"""
    variants: dict[str, VariantSegments]


def piece_size_for(size: int) -> int:
    """Return the smallest power of two ≥ 16 KiB that divides `size` bytes into ≤ 32 pieces."""
    piece = MIN_PIECE_BYTES
    while piece * MAX_PIECES < size:
        piece *= 2
    return piece


def piece_hashes(data: bytes, piece_size: int) -> tuple[str, ...]:
    """Return the base64 SHA-256 of each piece of `data`."""
    return tuple(
        base64.b64encode(hashlib.sha256(data[start : start + piece_size]).digest()).decode()
        for start in range(0, len(data), piece_size)
    )

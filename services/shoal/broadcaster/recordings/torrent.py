"""Makes the torrent of a whole replay: many files, BitTorrent v1 (BEP 3), hashed as they come."""

import hashlib
from dataclasses import dataclass

import libtorrent as lt

MIN_PIECE_BYTES = 256 * 1024
MAX_PIECE_BYTES = 16 * 1024 * 1024
MAX_PIECES = 2048
"""where pieces can be so large: a .torrent of 40 KB and the names of its files"""


@dataclass(frozen=True)
class WholeTorrent:
    """A replay's torrent."""

    infohash: str
    """v1, hex"""
    metainfo: bytes
    """a .torrent file"""


def piece_bytes_for(size: int) -> int:
    """Return the bytes of a piece for so many bytes altogether: a power of two."""
    piece = MIN_PIECE_BYTES
    while piece * MAX_PIECES < size and piece < MAX_PIECE_BYTES:
        piece *= 2
    return piece


class Files:
    """The files of a torrent, one after the other; holds no more than one piece of them."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._files: list[tuple[str, int]] = []
        self._hashes: list[bytes] = []
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._filled = 0
        """bytes of the piece that is not complete"""

    def add(self, path: str, data: bytes) -> None:
        """Append a file; pieces go on over the ends of files (BEP 3)."""
        self._files.append((path, len(data)))
        view = memoryview(data)
        while view:
            part = view[: self._piece_bytes - self._filled]
            self._piece.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == self._piece_bytes:
                self._close_piece()

    def _close_piece(self) -> None:
        self._hashes.append(self._piece.digest())
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._filled = 0

    def torrent(self, name: str, *, tracker_url: str, web_seed: str) -> WholeTorrent:
        """Return the torrent of what was added. Raises ValueError when that is nothing."""
        if self._filled:
            self._close_piece()
        if not self._hashes:
            raise ValueError(f"{name} has no bytes: there is nothing to share")
        entries = [lt.create_file_entry(f"{name}/{path}", size) for path, size in self._files]
        creator = lt.create_torrent(entries, self._piece_bytes, lt.create_torrent.v1_only)
        creator.set_creation_date(0)
        creator.add_tracker(tracker_url, 0)
        creator.add_url_seed(web_seed)
        for index, digest in enumerate(self._hashes):
            creator.set_hash(index, digest)
        metainfo = lt.bencode(creator.generate())
        infohash = str(lt.load_torrent_buffer(metainfo).info_hashes.v1)
        return WholeTorrent(infohash, metainfo)

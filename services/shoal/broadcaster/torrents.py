"""Torrents of segments and of whole replays: BitTorrent v1 (BEP 3), same input, same torrent."""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

import libtorrent as lt

from shoal.segments import piece_size_for

MIN_REPLAY_PIECE_BYTES = 256 * 1024
MAX_REPLAY_PIECE_BYTES = 16 * 1024 * 1024
MAX_REPLAY_PIECES = 2048
"""unless that takes pieces above the maximum: a .torrent of 40 KB plus the names of its files"""


@dataclass(frozen=True)
class Torrent:
    """The torrent of one segment."""

    infohash: str
    """v1, hex"""
    name: str
    """file name"""
    size: int
    """bytes"""
    magnet: str
    metainfo: bytes
    """a .torrent file: bencoded, with tracker and web seed"""

    @property
    def piece_bytes(self) -> int:
        """Bytes per piece: the same pieces as in rooms, whose members fetch a few of them each.

        A segment of 1.2 MB has 19: a peer passes the first ones on while it fetches the rest, and
        the metainfo, which magnet users fetch first, stays below 1 KB.
        """
        return piece_size_for(self.size)


@dataclass(frozen=True)
class ReplayTorrent:
    """The torrent of a replay."""

    infohash: str
    """v1, hex"""
    metainfo: bytes
    """a .torrent file"""


def make_torrent(
    data: bytes, *, name: str, tracker_url: str, web_seed: str, peer_address: str | None = None
) -> Torrent:
    """Return the torrent of a segment.

    `tracker_url` is ws:// or wss://; `web_seed` is the segment's URL in the store; `peer_address`
    is the seeder's public host:port, given only if it listens on TCP and uTP. Raises ValueError
    when there is no data.
    """
    if not data:
        raise ValueError(f"cannot make a torrent of {name}: it is empty")
    piece_bytes = piece_size_for(len(data))
    creator = lt.create_torrent(
        [lt.create_file_entry(name, len(data))], piece_bytes, lt.create_torrent.v1_only
    )
    hashes = [
        hashlib.sha1(data[start : start + piece_bytes]).digest()
        for start in range(0, len(data), piece_bytes)
    ]
    infohash, metainfo = _generate(creator, hashes, tracker_url, web_seed)
    return Torrent(
        infohash=infohash,
        name=name,
        size=len(data),
        magnet=magnet_uri(infohash, name, tracker_url, web_seed, peer_address=peer_address),
        metainfo=metainfo,
    )


def tracker_of(signaling_url: str) -> str:
    """Return the tracker's WebSocket URL of the signaling service at `signaling_url` (http)."""
    return f"ws{signaling_url.removeprefix('http')}/ws"


def magnet_uri(
    infohash: str,
    name: str,
    tracker_url: str,
    web_seed: str,
    *,
    metainfo_url: str | None = None,
    peer_address: str | None = None,
) -> str:
    """Return a magnet URI (BEP 9; `ws`: BEP 19; `xs`: the metainfo; `x.pe`: a peer's address).

    A web seed does not have the metainfo, so a magnet without peers needs `metainfo_url`.
    """
    fields = [
        f"xt=urn:btih:{infohash}",
        f"dn={quote(name, safe='')}",
        f"tr={quote(tracker_url, safe='')}",
        f"ws={quote(web_seed, safe='')}",
    ]
    if metainfo_url is not None:
        fields.append(f"xs={quote(metainfo_url, safe='')}")
    if peer_address is not None:
        fields.append(f"x.pe={quote(peer_address, safe=':[]')}")
    return f"magnet:?{'&'.join(fields)}"


def replay_piece_bytes(size: int) -> int:
    """Return the bytes per piece, a power of two, for a replay of `size` bytes."""
    piece = MIN_REPLAY_PIECE_BYTES
    while piece * MAX_REPLAY_PIECES < size and piece < MAX_REPLAY_PIECE_BYTES:
        piece *= 2
    return piece


class ReplayTorrentBuilder:
    """Hashes the files of a replay one after the other; keeps none of their bytes."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes
        self._files: list[tuple[str, int]] = []
        self._hashes: list[bytes] = []
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._filled = 0
        """bytes in the piece that is not complete yet"""

    def add(self, path: str, data: bytes) -> None:
        """Append a file; pieces span file boundaries (BEP 3)."""
        self._files.append((path, len(data)))
        view = memoryview(data)
        while view:
            chunk = view[: self._piece_bytes - self._filled]
            self._piece.update(chunk)
            self._filled += len(chunk)
            view = view[len(chunk) :]
            if self._filled == self._piece_bytes:
                self._finish_piece()

    def _finish_piece(self) -> None:
        self._hashes.append(self._piece.digest())
        self._piece = hashlib.sha1(usedforsecurity=False)
        self._filled = 0

    def build(self, name: str, *, tracker_url: str, web_seed: str) -> ReplayTorrent:
        """Return the torrent of the files added so far. Raises ValueError when they are empty."""
        if self._filled:
            self._finish_piece()
        if not self._hashes:
            raise ValueError(f"cannot make a torrent of {name}: it is empty")
        entries = [lt.create_file_entry(f"{name}/{path}", size) for path, size in self._files]
        creator = lt.create_torrent(entries, self._piece_bytes, lt.create_torrent.v1_only)
        return ReplayTorrent(*_generate(creator, self._hashes, tracker_url, web_seed))


def _generate(
    creator: lt.create_torrent, hashes: list[bytes], tracker_url: str, web_seed: str
) -> tuple[str, bytes]:
    """Return infohash (hex) and metainfo."""
    creator.set_creation_date(0)
    creator.add_tracker(tracker_url, 0)
    creator.add_url_seed(web_seed)
    for index, digest in enumerate(hashes):
        creator.set_hash(index, digest)
    metainfo = lt.bencode(creator.generate())
    return str(lt.load_torrent_buffer(metainfo).info_hashes.v1), metainfo

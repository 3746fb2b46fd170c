"""Makes the torrent of a segment: one file, BitTorrent v1 (BEP 3), the same for the same input."""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

import libtorrent as lt

from shoal.segments import piece_size_for


@dataclass(frozen=True)
class Torrent:
    """One segment's torrent."""

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
        """Bytes of a piece: those of the rooms, whose members fetch a few of them each.

        19 pieces for a segment of 1.2 MB: a peer passes the first ones on while it fetches the
        rest, and the metainfo that magnet users fetch first stays below 1 KB.
        """
        return piece_size_for(self.size)


def make_torrent(
    data: bytes, *, name: str, tracker_url: str, web_seed: str, peer_address: str | None = None
) -> Torrent:
    """Return the torrent of a segment.

    `tracker_url` is ws:// or wss://; `web_seed` is the segment's URL in the store; `peer_address`
    is the seeder's public host:port, given only when it listens on TCP and uTP. Raises ValueError
    when there is no data.
    """
    if not data:
        raise ValueError(f"{name} is empty: there is nothing to share")
    piece_bytes = piece_size_for(len(data))
    creator = lt.create_torrent(
        [lt.create_file_entry(name, len(data))], piece_bytes, lt.create_torrent.v1_only
    )
    creator.set_creation_date(0)
    creator.add_tracker(tracker_url, 0)
    creator.add_url_seed(web_seed)
    for index, start in enumerate(range(0, len(data), piece_bytes)):
        creator.set_hash(index, hashlib.sha1(data[start : start + piece_bytes]).digest())
    metainfo = lt.bencode(creator.generate())
    infohash = str(lt.load_torrent_buffer(metainfo).info_hashes.v1)
    return Torrent(
        infohash=infohash,
        name=name,
        size=len(data),
        magnet=_magnet(infohash, name, tracker_url, web_seed, peer_address),
        metainfo=metainfo,
    )


def tracker_of(signaling_url: str) -> str:
    """Return the tracker's WebSocket URL on a signaling service at `signaling_url` (http)."""
    return f"ws{signaling_url.removeprefix('http')}/ws"


def _magnet(
    infohash: str, name: str, tracker_url: str, web_seed: str, peer_address: str | None
) -> str:
    """Return a magnet URI (BEP 9; `ws`: BEP 19; `x.pe`: a peer's address)."""
    fields = [
        f"xt=urn:btih:{infohash}",
        f"dn={quote(name, safe='')}",
        f"tr={quote(tracker_url, safe='')}",
        f"ws={quote(web_seed, safe='')}",
    ]
    if peer_address is not None:
        fields.append(f"x.pe={quote(peer_address, safe=':[]')}")
    return f"magnet:?{'&'.join(fields)}"

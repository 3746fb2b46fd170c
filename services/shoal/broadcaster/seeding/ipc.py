"""What the broadcaster and its seeder process say to each other: JSON, one message a line."""

import msgspec

from shoal.broadcaster.torrents import Torrent

MAX_LINE_BYTES = 1024 * 1024
"""the metainfo of a segment of 64 MiB takes 30 KB"""


class Open(msgspec.Struct, frozen=True, tag="open"):
    """To the seeder, first: how to seed."""

    tracker_url: str
    upload_mbps: float
    stun_server: str
    listen_port: int | None
    not_counted: str | None
    offers: int


class Add(msgspec.Struct, frozen=True, tag="add"):
    """To the seeder: seed a torrent."""

    torrent: Torrent
    path: str


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """To the seeder: seed it no more."""

    infohash: str


class Announced(msgspec.Struct, frozen=True, tag="announced"):
    """From the seeder: the tracker has acknowledged a torrent, or has lost it."""

    infohash: str
    ok: bool


class Figures(msgspec.Struct, frozen=True, tag="figures"):
    """From the seeder: how it is; at least once a second."""

    peers: int = 0
    uploaded_bytes: int = 0
    """since it was started"""
    fault: str | None = None


class Said(msgspec.Struct, frozen=True, tag="said"):
    """From the seeder: a line for the operator."""

    level: int
    """logging's"""
    text: str


Order = Open | Add | Remove
Report = Announced | Figures | Said

_orders = msgspec.json.Decoder[Order](Order)
_reports = msgspec.json.Decoder[Report](Report)
_encoder = msgspec.json.Encoder()


def encode(message: Order | Report) -> bytes:
    """Return a line."""
    return _encoder.encode(message) + b"\n"


def decode_order(line: bytes) -> Order:
    """Read a line; raises msgspec.DecodeError."""
    return _orders.decode(line)


def decode_report(line: bytes) -> Report:
    """Read a line; raises msgspec.DecodeError."""
    return _reports.decode(line)

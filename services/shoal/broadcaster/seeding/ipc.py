"""Messages between the broadcaster and its seeder process: JSON, one message per line."""

import msgspec

from shoal.broadcaster.torrents import Torrent

MAX_LINE_BYTES = 1024 * 1024
"""the metainfo of a 64 MiB segment takes 30 KB"""


class Configure(msgspec.Struct, frozen=True, tag="open"):
    """To the seeder, first: how to seed."""

    tracker_url: str
    upload_mbps: float
    stun_server: str
    listen_port: int | None
    not_counted: str | None
    offers: int


class AddTorrent(msgspec.Struct, frozen=True, tag="add"):
    """To the seeder: start seeding a torrent."""

    torrent: Torrent
    path: str


class RemoveTorrent(msgspec.Struct, frozen=True, tag="remove"):
    """To the seeder: stop seeding a torrent."""

    infohash: str


class TorrentAnnounced(msgspec.Struct, frozen=True, tag="announced"):
    """From the seeder: the tracker has acknowledged a torrent (`ok`) or has lost it."""

    infohash: str
    ok: bool


class SeederStats(msgspec.Struct, frozen=True, tag="figures"):
    """From the seeder, at least once a second: its state."""

    peers: int = 0
    uploaded_bytes: int = 0
    """since the process started"""
    fault: str | None = None


class LogLine(msgspec.Struct, frozen=True, tag="said"):
    """From the seeder: a line for the broadcaster's log."""

    level: int
    """as in `logging`"""
    text: str


Command = Configure | AddTorrent | RemoveTorrent
Report = TorrentAnnounced | SeederStats | LogLine

_commands = msgspec.json.Decoder[Command](Command)
_reports = msgspec.json.Decoder[Report](Report)
_encoder = msgspec.json.Encoder()


def encode(message: Command | Report) -> bytes:
    """Return a message as a line."""
    return _encoder.encode(message) + b"\n"


def decode_command(line: bytes) -> Command:
    """Decode a line. Raises msgspec.DecodeError."""
    return _commands.decode(line)


def decode_report(line: bytes) -> Report:
    """Decode a line. Raises msgspec.DecodeError."""
    return _reports.decode(line)

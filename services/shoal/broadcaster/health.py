"""The body of `/health`."""

from typing import Literal

import msgspec

from shoal.problems import Problem


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/health`; sent with status 503 when failing."""

    status: Literal["ok", "degraded", "failing"]
    live: bool
    """whether Owncast is writing a stream now"""
    torrents: int
    peers: int
    """viewers connected in rooms, plus torrent peers"""
    room_peers: int
    torrent_peers: int
    chunks: int
    """segments published since the station was set up"""
    signaling: Literal["connected", "disconnected"]
    last_segment_age_s: float | None
    """seconds since a segment was published; null before the first"""
    store: Literal["ok", "failing"]
    standby: Literal["ok", "failing", "off"]
    """the torrent seed"""
    problems: list[Problem]

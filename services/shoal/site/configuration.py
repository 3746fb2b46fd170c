"""`/config.json`: what the player must know of this station."""

from collections.abc import Sequence

import msgspec

from shoal.join_tokens import LIFETIME_S
from shoal.p2p_media_loader import SWARM_ID
from shoal.settings import StandbyPolicy


class IceServer(msgspec.Struct, frozen=True):
    """WebRTC's RTCIceServer."""

    urls: tuple[str, ...]


class PlayerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/config.json`. URLs are relative to the page."""

    title: str
    playlist: str = "/live/playlist.m3u8"
    room: str = "/ws/room"
    segments: str = "/live/segments.json"
    tracker: str = "/ws"
    swarm: str = SWARM_ID
    """p2p-media-loader's `swarmId`"""
    ice_servers: tuple[IceServer, ...]
    standby: StandbyPolicy
    """when viewers turn to the torrent seed"""
    join_token: str
    """what signaling wants to see of who joins: for this host, and not for long"""
    join_token_lifetime_s: float = LIFETIME_S


def player_config(
    title: str, ice_servers: Sequence[str], standby: StandbyPolicy, join_token: str
) -> PlayerConfig:
    """Return the configuration for a station with these STUN servers' URLs, maybe none."""
    return PlayerConfig(
        title=title,
        ice_servers=(IceServer(tuple(ice_servers)),) if ice_servers else (),
        standby=standby,
        join_token=join_token,
    )

"""`/config.json`: the player's configuration for this station."""

import msgspec

from shoal.auth import JOIN_TOKEN_LIFETIME_S
from shoal.config.settings import Consent, SiteSettings, StandbyPolicy
from shoal.p2p_media_loader import SWARM_ID
from shoal.site.html_meta import StationMetadata

REPLAYS_PATH = "/live/replays.json"


class IceServer(msgspec.Struct, frozen=True):
    """WebRTC's RTCIceServer."""

    urls: tuple[str, ...]


class PlayerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/config.json`. URLs are relative to the page."""

    title: str
    poster: str | None
    """path of the image to show before video"""
    consent: Consent
    playlist: str = "/live/playlist.m3u8"
    room: str = "/ws/room"
    segments: str = "/live/segments.json"
    replays: str | None
    """path of the list of replays; null if the station keeps none"""
    tracker: str = "/ws"
    swarm: str = SWARM_ID
    """p2p-media-loader's `swarmId`"""
    ice_servers: tuple[IceServer, ...]
    standby: StandbyPolicy
    """when viewers use the torrent seed"""
    join_token: str
    """token that signaling requires to join: short-lived, for this host only"""
    join_token_lifetime_s: float = JOIN_TOKEN_LIFETIME_S


def player_config(
    settings: SiteSettings, metadata: StationMetadata, join_token: str
) -> PlayerConfig:
    """Return the player's configuration for the operator's settings."""
    stun = tuple(settings.ice_servers)
    return PlayerConfig(
        title=metadata.title,
        poster=metadata.poster,
        consent=settings.consent,
        replays=REPLAYS_PATH if settings.replay else None,
        ice_servers=(IceServer(stun),) if stun else (),
        standby=settings.standby,
        join_token=join_token,
    )

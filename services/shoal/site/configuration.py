"""`/config.json`: what the player must know of this station."""

import msgspec

from shoal.auth import JOIN_TOKEN_LIFETIME_S
from shoal.config.settings import Consent, SiteSettings, StandbyPolicy
from shoal.p2p_media_loader import SWARM_ID
from shoal.site.html_meta import About

REPLAYS = "/live/replays.json"


class IceServer(msgspec.Struct, frozen=True):
    """WebRTC's RTCIceServer."""

    urls: tuple[str, ...]


class PlayerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/config.json`. URLs are relative to the page."""

    title: str
    poster: str | None
    """a picture of what is on, for while there is none"""
    consent: Consent
    playlist: str = "/live/playlist.m3u8"
    room: str = "/ws/room"
    segments: str = "/live/segments.json"
    replays: str | None
    """the list of streams that can be watched again; null where none are kept"""
    tracker: str = "/ws"
    swarm: str = SWARM_ID
    """p2p-media-loader's `swarmId`"""
    ice_servers: tuple[IceServer, ...]
    standby: StandbyPolicy
    """when viewers turn to the torrent seed"""
    join_token: str
    """what signaling wants to see of who joins: for this host, and not for long"""
    join_token_lifetime_s: float = JOIN_TOKEN_LIFETIME_S


def player_config(settings: SiteSettings, about: About, join_token: str) -> PlayerConfig:
    """Return the configuration that the operator's settings make."""
    stun = tuple(settings.ice_servers)
    return PlayerConfig(
        title=about.title,
        poster=about.poster,
        consent=settings.consent,
        replays=REPLAYS if settings.replay else None,
        ice_servers=(IceServer(stun),) if stun else (),
        standby=settings.standby,
        join_token=join_token,
    )

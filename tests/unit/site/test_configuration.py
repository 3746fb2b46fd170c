import json

import msgspec
from pydantic import SecretStr

from shoal.config.settings import SiteSettings
from shoal.site.configuration import player_config
from shoal.site.html_meta import StationMetadata

STUN = ["stun:a.example:3478", "stun:b.example:3478"]


def settings(**changes: object) -> SiteSettings:
    secrets = {"operator_token": SecretStr("o"), "join_secret": SecretStr("j")}
    return SiteSettings.model_validate({**secrets, **changes})


def test_the_player_configuration_follows_the_settings() -> None:
    metadata = StationMetadata("Station", "Evening news", "", "/poster")
    config = player_config(settings(ice_servers=STUN, standby="assist"), metadata, "token")
    assert json.loads(msgspec.json.encode(config)) == {
        "title": "Station",
        "poster": "/poster",
        "consent": "notice",
        "playlist": "/live/playlist.m3u8",
        "room": "/ws/room",
        "segments": "/live/segments.json",
        "replays": None,
        "tracker": "/ws",
        "swarm": "shoal",
        "ice_servers": [{"urls": STUN}],
        "standby": "assist",
        "join_token": "token",
        "join_token_lifetime_s": 600,
    }


def test_the_replay_list_is_named_if_replays_are_kept() -> None:
    metadata = StationMetadata("Station", "", "", None)
    assert player_config(settings(replay=True), metadata, "token").replays == "/live/replays.json"


def test_without_stun_servers_and_with_consent_required() -> None:
    metadata = StationMetadata("Station", "", "", None)
    config = player_config(settings(ice_servers=[], consent="ask"), metadata, "token")
    assert (config.ice_servers, config.consent, config.poster) == ((), "ask", None)

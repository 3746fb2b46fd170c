import json

import msgspec
from pydantic import SecretStr

from shoal.config.settings import SiteSettings
from shoal.site.configuration import player_config
from shoal.site.html_meta import About

STUN = ["stun:a.example:3478", "stun:b.example:3478"]


def settings(**changes: object) -> SiteSettings:
    secrets = {"operator_token": SecretStr("o"), "join_secret": SecretStr("j")}
    return SiteSettings.model_validate({**secrets, **changes})


def test_the_player_s_configuration() -> None:
    about = About("Station", "Evening news", "", "/poster")
    config = player_config(settings(ice_servers=STUN, standby="assist"), about, "token")
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


def test_replays_are_where_they_are_kept() -> None:
    about = About("Station", "", "", None)
    assert player_config(settings(replay=True), about, "token").replays == "/live/replays.json"


def test_without_servers_and_with_questions() -> None:
    about = About("Station", "", "", None)
    config = player_config(settings(ice_servers=[], consent="ask"), about, "token")
    assert (config.ice_servers, config.consent, config.poster) == ((), "ask", None)

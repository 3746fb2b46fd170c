"""What each service needs to know, with defaults, and a sentence for `shoal SERVICE --help`."""

import socket
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from yarl import URL

from shoal.config.sources import ENV_PREFIX, Environment, SecretFiles, variable_of
from shoal.config.types import (
    Address,
    HttpUrl,
    Network,
    Origin,
    RedisUrl,
    SecretHttpUrl,
    WebSocketUrl,
)
from shoal.errors import OperatorError

StandbyPolicy = Literal["standby", "assist", "off"]
"""when viewers use the torrent seeder: while the store fails, first, or never"""

Consent = Literal["notice", "ask"]
"""whether viewers share before they were asked"""


class StationSettings(BaseSettings):
    """Where the station's services are. Each service binds the address in its own URL."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore")

    broadcaster_url: HttpUrl = Field(default="http://localhost:3000", description="the broadcaster")
    signaling_url: HttpUrl = Field(default="http://localhost:8081", description="signaling")
    site_url: HttpUrl = Field(default="http://localhost:8000", description="the site")
    owncast_url: HttpUrl = Field(default="http://localhost:8080", description="Owncast's HTTP port")
    embed_origins: list[Origin] = Field(
        default=[],
        description="other sites that may embed the player, a JSON list of origins, or of *",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then secret files."""
        return init_settings, Environment(settings_cls), SecretFiles(settings_cls)


class SeedSettings(StationSettings):
    """What those who offer the torrent seed, and those who tell viewers of it, need to know."""

    standby: StandbyPolicy = Field(
        default="standby",
        description="viewers use the torrent seeder while the store fails, or first, or never",
    )


class ReplaySettings(StationSettings):
    """What those who keep replays, and those who show them, need to know."""

    replay: bool = Field(
        default=False, description="keep each stream as a replay once it has ended"
    )


class AlarmSettings(StationSettings):
    """What those who raise alarms need to know."""

    alarm_webhook: SecretHttpUrl | None = Field(
        default=None, description="URL that alarms are posted to as JSON; unset: nowhere"
    )
    alarm_station: str = Field(
        default_factory=socket.gethostname,
        description="what alarms call this station; unset: the name of this host",
    )


class BroadcasterSettings(SeedSettings, ReplaySettings, AlarmSettings):
    """What the broadcaster needs to know."""

    hls_dir: Path = Field(
        default=Path("/run/hls"), description="Owncast's HLS folder (its data/hls); read only"
    )
    state_dir: Path = Field(
        default=Path("/var/lib/shoal/broadcaster"),
        description="the broadcaster's own state; read, write",
    )
    end_grace_s: float = Field(
        default=300,
        ge=0,
        description="seconds that playlists stay open after a stream's end, for it to come back",
    )
    replay_max_age_days: float = Field(
        default=30, gt=0, description="days after its stream's end that a replay is deleted"
    )
    replay_max_gb: float = Field(
        default=100, gt=0, description="GB that replays may take; above, the oldest are deleted"
    )
    s3_endpoint: HttpUrl = Field(description="S3 endpoint of the object store")
    bucket: str = Field(default="shoal", min_length=3, description="bucket that holds the segments")
    media_url: HttpUrl = Field(description="public URL of the bucket's root, for viewers")
    r2_access_key_id: SecretStr = Field(description="S3 access key id")
    r2_secret_access_key: SecretStr = Field(description="S3 secret access key")
    broadcaster_token: SecretStr = Field(description="proves to signaling who is the broadcaster")
    tracker_url: WebSocketUrl | None = Field(
        default=None,
        description="public URL of the tracker, named in magnets; unset: signaling's own /ws",
    )
    torrent_upload_mbps: float = Field(
        default=20.0, gt=0, description="upload budget of the torrent seeder, Mbit/s"
    )
    torrent_stun_server: Address | Literal[""] = Field(
        default="stun.cloudflare.com:3478",
        description="STUN server of the torrent seeder, host:port; empty: none, for no NAT",
    )
    torrent_address: Address | None = Field(
        default=None,
        description="public host:port of the torrent seeder for TCP and uTP; unset: WebRTC only",
    )


class SignalingSettings(AlarmSettings):
    """What signaling needs to know."""

    broadcaster_token: SecretStr = Field(description="what the broadcaster must present")
    join_secret: SecretStr = Field(description="checks the join tokens that the site hands out")
    trusted_proxies: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="who may say a client's real address (CF-Connecting-IP), a JSON list of CIDRs",
    )
    max_sockets_per_address: int = Field(
        default=200, ge=1, description="sockets at a time from one address"
    )
    max_messages_per_s: float = Field(
        default=50.0, gt=0, description="messages a second that one socket may send"
    )
    state_dir: Path | None = Field(
        default=None, description="remembers which alarms were posted; unset: nothing does"
    )
    alarm_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="alarm when peers carry less than this part of what they could; 0: never",
    )
    cluster_url: RedisUrl | None = Field(
        default=None,
        description="redis:// or rediss:// URL of the Valkey or Redis that several signaling"
        " processes share; unset: this is the only one",
    )
    process_url: HttpUrl | None = Field(
        default=None,
        description="where this process alone answers HTTP, for its /metrics, when several share"
        " SHOAL_SIGNALING_URL; unset: nowhere",
    )
    cluster_password: SecretStr | None = Field(
        default=None, description="password of that Valkey or Redis, if its URL has none"
    )

    @property
    def cluster(self) -> RedisUrl | None:
        """The cluster's URL with its password; None: there is no cluster."""
        if self.cluster_url is None or self.cluster_password is None:
            return self.cluster_url
        return str(URL(self.cluster_url).with_password(self.cluster_password.get_secret_value()))


class SiteSettings(SeedSettings, ReplaySettings):
    """What the site needs to know."""

    station_title: str = Field(default="Shoal", description="shown on the watch page")
    station_description: str = Field(
        default="", description="a sentence on the station, for search engines and previews"
    )
    station_poster: Path | None = Field(
        default=None,
        description="a picture for previews, and for while there is none; unset: Owncast's own",
    )
    consent: Consent = Field(
        default="notice",
        description="notice: viewers share at once and are told of it; ask: only who agreed shares",
    )
    media_url: HttpUrl | None = Field(
        default=None,
        description="public URL of the bucket's root; unset: pages may load video from any host",
    )
    ice_servers: list[str] = Field(
        default=["stun:stun.cloudflare.com:3478"],
        description="STUN servers for viewers, a JSON list of URLs; may be empty",
    )
    gateway_metrics_url: HttpUrl | None = Field(
        default=None, description="metrics of the local gateway (`shoal up` sets it)"
    )
    store_metrics_url: HttpUrl | None = Field(
        default=None, description="metrics of the local object store (`shoal up` sets it)"
    )
    operator_token: SecretStr = Field(description="opens /api/station's details")
    join_secret: SecretStr = Field(description="signs the join tokens in /config.json")


S = TypeVar("S", bound=StationSettings)


def load(kind: type[S]) -> S:
    """Read the settings of one service; bad or missing ones become one clear OperatorError."""
    try:
        return kind()
    except ValidationError as error:
        problems = "; ".join(
            _explain(kind, str(item["loc"][0]) if item["loc"] else "", item["msg"])
            for item in error.errors()
        )
        raise OperatorError(f"settings: {problems}") from error


def _explain(kind: type[StationSettings], name: str, problem: str) -> str:
    field = kind.model_fields.get(name)
    if field is None:
        return f"{ENV_PREFIX}{name.upper()}: {problem}"
    return f"{variable_of(name, field)} ({field.description}): {problem}"


def describe(kind: type[StationSettings]) -> str:
    """Return one line a setting, for `shoal SERVICE --help`."""
    lines: list[str] = []
    for name, field in kind.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"default {value}"
        lines.append(f"  {variable_of(name, field):<34} {field.description} [{default}]")
    return "\n".join(lines)

"""What each service needs to know, with defaults, and a sentence for `shoal SERVICE --help`."""

import socket
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from yarl import URL

from shoal.config.sources import ENV_PREFIX, Environment, SecretFiles, env_variable
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
"""when viewers use the torrent seed: while the store fails, first, or never"""

Consent = Literal["notice", "ask"]
"""whether viewers share without being asked first"""


class StationSettings(BaseSettings):
    """Addresses of the station's services. Each service listens on the address in its own URL."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore")

    broadcaster_url: HttpUrl = Field(
        default="http://localhost:3000", description="URL of the broadcaster"
    )
    signaling_url: HttpUrl = Field(default="http://localhost:8081", description="URL of signaling")
    site_url: HttpUrl = Field(default="http://localhost:8000", description="URL of the site")
    owncast_url: HttpUrl = Field(default="http://localhost:8080", description="URL of Owncast")
    embed_origins: list[Origin] = Field(
        default=[],
        description="other sites that may embed the player: a JSON list of origins; * allows any",
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
        """Give arguments precedence over the environment, and that over secret files."""
        return init_settings, Environment(settings_cls), SecretFiles(settings_cls)


class SeedSettings(StationSettings):
    """Settings of the torrent seed, for the broadcaster and the site."""

    standby: StandbyPolicy = Field(
        default="standby",
        description="when viewers use the torrent seed; standby: while the store fails, assist:"
        " before the store, off: never",
    )


class ReplaySettings(StationSettings):
    """Settings of replays, for the broadcaster and the site."""

    replay: bool = Field(default=False, description="keep each stream as a replay after it ends")


class AlarmSettings(StationSettings):
    """Settings of alarms."""

    alarm_webhook: SecretHttpUrl | None = Field(
        default=None, description="URL to post alarms to, as JSON; unset: alarms are not posted"
    )
    alarm_station: str = Field(
        default_factory=socket.gethostname,
        description="name of this station in alarms; unset: the host name",
    )


class BroadcasterSettings(SeedSettings, ReplaySettings, AlarmSettings):
    """Settings of the broadcaster."""

    hls_dir: Path = Field(
        default=Path("/run/hls"), description="Owncast's HLS folder (its data/hls), only read"
    )
    state_dir: Path = Field(
        default=Path("/var/lib/shoal/broadcaster"),
        description="folder for the broadcaster's own state",
    )
    end_grace_s: float = Field(
        default=300,
        ge=0,
        description="seconds that a stream may be interrupted before its playlists end",
    )
    replay_max_age_days: float = Field(
        default=30, gt=0, description="delete a replay this many days after its stream ended"
    )
    replay_max_gb: float = Field(
        default=100,
        gt=0,
        description="GB that replays may use in total; beyond that the oldest are deleted",
    )
    s3_endpoint: HttpUrl = Field(description="S3 endpoint of the object store")
    bucket: str = Field(default="shoal", min_length=3, description="bucket that holds the segments")
    media_url: HttpUrl = Field(
        description="public URL of the bucket's root, which viewers fetch from"
    )
    r2_access_key_id: SecretStr = Field(description="S3 access key id")
    r2_secret_access_key: SecretStr = Field(description="S3 secret access key")
    broadcaster_token: SecretStr = Field(description="authenticates the broadcaster to signaling")
    tracker_url: WebSocketUrl | None = Field(
        default=None,
        description="public URL of the tracker, for magnet links; unset: signaling's own /ws",
    )
    torrent_upload_mbps: float = Field(
        default=20.0, gt=0, description="upload limit of the torrent seed, Mbit/s"
    )
    torrent_stun_server: Address | Literal[""] = Field(
        default="stun.cloudflare.com:3478",
        description="STUN server of the torrent seed, host:port; empty: none, if there is no NAT",
    )
    torrent_address: Address | None = Field(
        default=None,
        description="public host:port of the torrent seed for TCP and uTP; unset: WebRTC only",
    )


class SignalingSettings(AlarmSettings):
    """Settings of signaling."""

    broadcaster_token: SecretStr = Field(description="authenticates the broadcaster")
    join_secret: SecretStr = Field(description="verifies the join tokens that the site issues")
    trusted_proxies: list[Network] = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="proxies whose CF-Connecting-IP header is trusted: a JSON list of CIDRs",
    )
    max_sockets_per_address: int = Field(
        default=200, ge=1, description="maximum number of WebSockets open from one address"
    )
    max_messages_per_s: float = Field(
        default=50.0, gt=0, description="maximum number of messages per second from one WebSocket"
    )
    state_dir: Path | None = Field(
        default=None,
        description="folder that remembers which alarms were posted; unset: not remembered",
    )
    alarm_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="alarm if peers carry less than this fraction of what they could; 0: never",
    )
    cluster_url: RedisUrl | None = Field(
        default=None,
        description="redis:// or rediss:// URL of the Valkey or Redis shared by several signaling"
        " processes; unset: this is the only process",
    )
    process_url: HttpUrl | None = Field(
        default=None,
        description="HTTP URL of this process alone, for its /metrics, if several processes share"
        " SHOAL_SIGNALING_URL; unset: none",
    )
    cluster_password: SecretStr | None = Field(
        default=None, description="password for that Valkey or Redis, if not in its URL"
    )

    @property
    def cluster(self) -> RedisUrl | None:
        """The cluster's URL, including its password; None if there is no cluster."""
        if self.cluster_url is None or self.cluster_password is None:
            return self.cluster_url
        return str(URL(self.cluster_url).with_password(self.cluster_password.get_secret_value()))


class SiteSettings(SeedSettings, ReplaySettings):
    """Settings of the site."""

    station_title: str = Field(
        default="Shoal", description="name of the station, shown on the watch page"
    )
    station_description: str = Field(
        default="",
        description="one sentence about the station, for search engines and link previews",
    )
    station_poster: Path | None = Field(
        default=None,
        description="image for link previews and until video plays; unset: Owncast's thumbnail",
    )
    consent: Consent = Field(
        default="notice",
        description="notice: viewers share at once and see a notice; ask: only if they agree",
    )
    media_url: HttpUrl | None = Field(
        default=None,
        description="public URL of the bucket's root; unset: pages may load video from any host",
    )
    ice_servers: list[str] = Field(
        default=["stun:stun.cloudflare.com:3478"],
        description="STUN servers for viewers: a JSON list of URLs, which may be empty",
    )
    gateway_metrics_url: HttpUrl | None = Field(
        default=None, description="metrics URL of the local gateway; `shoal up` sets it"
    )
    store_metrics_url: HttpUrl | None = Field(
        default=None, description="metrics URL of the local object store; `shoal up` sets it"
    )
    operator_token: SecretStr = Field(description="gives access to the details of /api/station")
    join_secret: SecretStr = Field(description="signs the join tokens in /config.json")


SettingsT = TypeVar("SettingsT", bound=StationSettings)


def load(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of a service. Raises OperatorError that names all bad or missing ones."""
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
    return f"{env_variable(name, field)} ({field.description}): {problem}"


def describe(kind: type[StationSettings]) -> str:
    """Return the help text of the settings, one line each, for `shoal SERVICE --help`."""
    lines: list[str] = []
    for name, field in kind.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"default {value}"
        lines.append(f"  {env_variable(name, field):<34} {field.description} [{default}]")
    return "\n".join(lines)

"""Settings of every service: `SHOAL_*` environment variables, and secrets from files.

A secret named `r2_secret_access_key` is read from the file that `SHOAL_R2_SECRET_ACCESS_KEY_FILE`
names, or from `$CREDENTIALS_DIRECTORY/r2_secret_access_key` (systemd's LoadCredential), never from
an environment variable: an environment is inherited and printed too easily.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from yarl import URL

from shoal.errors import OperatorError

ENV_PREFIX = "SHOAL_"


def _http_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


def _secret_http_url(value: SecretStr) -> SecretStr:
    return SecretStr(_http_url(value.get_secret_value()))


SecretHttpUrl = Annotated[SecretStr, AfterValidator(_secret_http_url)]


def _websocket_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("ws", "wss") or not url.host:
        raise ValueError("must be a ws:// or wss:// URL")
    return value


WebSocketUrl = Annotated[str, AfterValidator(_websocket_url)]


def _address(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[1-9]\d{0,4}", value):
        raise ValueError("must be host:port")
    return value


Address = Annotated[str, AfterValidator(_address)]


def _origin(value: str) -> str:
    if value == "*":
        return value
    problem = f"{value!r} is neither * nor an origin like https://example.org"
    try:
        url = URL(value)
        origin = url.origin()
    except ValueError as error:
        raise ValueError(problem) from error
    if url.scheme not in ("http", "https") or url.path_qs != "/" or url.fragment or url.user:
        raise ValueError(problem)
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", origin.raw_host or ""):
        raise ValueError(problem)
    return str(origin)  # as browsers write it: lower-case, no port that goes without saying


Origin = Annotated[str, AfterValidator(_origin)]


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"must be CIDRs like 10.0.0.0/8: {error}") from error


Network = Annotated[str, AfterValidator(_network)]


def _redis_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("redis", "rediss") or not url.host:
        raise ValueError("must be a redis:// or rediss:// URL")
    return value


RedisUrl = Annotated[str, AfterValidator(_redis_url)]

StandbyPolicy = Literal["standby", "assist", "off"]
"""when viewers use the torrent seeder: while the store fails, first, or never"""


Consent = Literal["notice", "ask"]
"""whether viewers share before they were asked"""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads every field of type SecretStr from its file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret's text, or None where no file is named."""
        if not _is_secret(field):
            return None, field_name, False
        variable = f"{ENV_PREFIX}{field_name.upper()}_FILE"
        if named := os.environ.get(variable):
            return _read_secret(Path(named), f"{variable}={named}"), field_name, False
        if directory := os.environ.get("CREDENTIALS_DIRECTORY"):
            path = Path(directory) / field_name
            if path.exists():
                return _read_secret(path, str(path)), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that were found, by field name."""
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _read_secret(path: Path, what: str) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise OperatorError(f"cannot read the secret {what}: {error.strerror}") from error
    if not text:
        raise OperatorError(f"the secret file {what} is empty: write the secret into it")
    return text


class _Environment(EnvSettingsSource):
    """`SHOAL_*` variables, but never for a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the variable's value, or None for a secret."""
        if _is_secret(field):
            return None, field_name, False
        return super().get_field_value(field, field_name)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return the list that JSON text stands for; what is no JSON is named with the rest."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


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
        return init_settings, _Environment(settings_cls), _SecretFiles(settings_cls)


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
    variable = f"{ENV_PREFIX}{name.upper()}"
    if field is not None and _is_secret(field):
        variable += "_FILE"
    about = f" ({field.description})" if field is not None else ""
    return f"{variable}{about}: {problem}"


def describe(kind: type[StationSettings]) -> str:
    """Return one line a setting, for `shoal SERVICE --help`."""
    lines: list[str] = []
    for name, field in kind.model_fields.items():
        variable = f"{ENV_PREFIX}{name.upper()}" + ("_FILE" if _is_secret(field) else "")
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"default {value}"
        lines.append(f"  {variable:<34} {field.description} [{default}]")
    return "\n".join(lines)

"""The configuration of a stack, read and checked completely before anything is created."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar, cast

import pulumi

from shoal.hostnames import in_zone, parse_hostname, sibling_hostname
from shoal_infra import checks, naming
from shoal_infra.images import IMAGES

MIN_VOLUME_GB = 8
MAX_VOLUME_GB = 1000
MIN_TORRENT_PORT = 1024
MAX_PORT = 65535
TAKEN_PORTS = (1935, 3000, 8000, 8080, 8081)


@dataclass(frozen=True)
class Access:
    """The users that Cloudflare Access lets in."""

    emails: tuple[str, ...]
    """email addresses, and domains such as @example.org"""
    team: str
    admin_hostname: str


@dataclass(frozen=True)
class NewHost:
    """A host to create on EC2."""

    region: str
    image: str
    instance_type: str
    volume_gb: int
    ssh_public_key: str


@dataclass(frozen=True)
class ExistingHost:
    """A host that exists already."""

    ip: str
    architecture: checks.Architecture


@dataclass(frozen=True)
class StationConfig:
    """The whole configuration of a stack."""

    stack: str
    hostname: str
    media_hostname: str
    zone: str
    account_id: str
    access: Access | None
    embed_origins: tuple[str, ...]
    rtmp_cidrs: tuple[str, ...]
    ssh_cidrs: tuple[str, ...]
    torrent_port: int
    """0: none"""
    host: NewHost | ExistingHost
    ssh_user: str
    """empty: the image's own; never empty for an existing host"""
    ssh_host_keys: tuple[str, ...]
    bucket: str
    manage_bucket_rules: bool
    manage_cache_rules: bool
    manage_cloud_connector: bool


class ConfigError(pulumi.RunError):
    """Invalid settings: Pulumi prints the message and stops, without a stack trace."""


T = TypeVar("T")


class _Reader:
    """Reads settings one by one, and collects what is wrong with them."""

    def __init__(self) -> None:
        self._config = pulumi.Config()
        self.problems: list[str] = []
        self.has_existing_host = bool(self._config.get("existingInstanceIp"))
        """whether the station uses a host that exists already"""

    def add_problem(self, key: str, problem: object) -> None:
        self.problems.append(f"shoal:{key}: {problem}")

    def text(self, key: str, check: Callable[[str], T], default: T, *, required: str = "") -> T:
        """Return a checked text; one that must not be empty has an example as `required`."""
        value = self._config.get(key) or ""
        if not value:
            if required:
                self.add_problem(key, f"is missing: pulumi config set {key} {required}")
            return default
        return self._checked(key, check, value, default)

    def texts(
        self, key: str, check: Callable[[str], str], *, required: str = ""
    ) -> tuple[str, ...]:
        """Return a list of checked texts."""
        try:
            found: object = self._config.get_object(key)
        except pulumi.ConfigTypeError:
            found = self._config.get(key)
        if found is None or found == []:
            if required:
                self.add_problem(key, f"is missing: pulumi config set --path '{key}[0]' {required}")
            return ()
        values = cast("list[object]", found) if isinstance(found, list) else [found]
        if not isinstance(found, list) or not all(isinstance(value, str) for value in values):
            example = required or "VALUE"
            self.add_problem(key, f"is not a list: pulumi config set --path '{key}[0]' {example}")
            return ()
        checked = [self._checked(key, check, str(value), "") for value in values]
        return tuple(dict.fromkeys(value for value in checked if value))

    def integer(self, key: str, default: int, minimum: int, maximum: int) -> int:
        """Return a number within limits."""
        try:
            value = self._config.get_int(key)
        except pulumi.ConfigTypeError:
            value = minimum - 1
        if value is None:
            return default
        if not minimum <= value <= maximum:
            self.add_problem(key, f"must be a number from {minimum} to {maximum}")
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return a switch."""
        try:
            value = self._config.get_bool(key)
        except pulumi.ConfigTypeError:
            self.add_problem(key, "must be true or false")
            return default
        return default if value is None else value

    def _checked(self, key: str, check: Callable[[str], T], value: str, default: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            self.add_problem(key, error)
            return default


def load() -> StationConfig:
    """Return the configuration of the current stack.

    Raises ConfigError that lists everything that is wrong.
    """
    stack = pulumi.get_stack()
    read = _Reader()
    zone = read.text("zone", parse_hostname, "", required="example.org")
    station = read.text("hostname", parse_hostname, "", required="tv.example.org")
    media, admin = _other_hostnames(read, station, zone)
    config = StationConfig(
        stack=stack,
        hostname=station,
        media_hostname=media,
        zone=zone,
        account_id=read.text(
            "cloudflareAccountId", checks.account_id, "", required="<32 hex digits>"
        ),
        access=_access(read, admin),
        embed_origins=read.texts("embedOrigins", checks.origin),
        rtmp_cidrs=read.texts(
            "rtmpAllowedCidrs", checks.network, required="<encoder's address>/32"
        ),
        ssh_cidrs=read.texts("sshAllowedCidrs", checks.network, required="<your address>/32"),
        torrent_port=_torrent_port(read),
        host=_host(read),
        ssh_user=read.text(
            "sshUser", checks.user, "", required="<user>" if read.has_existing_host else ""
        ),
        ssh_host_keys=_host_keys(read),
        bucket=read.text("bucketName", checks.bucket, naming.station_name(stack, station)),
        manage_bucket_rules=read.boolean("manageBucketRules", default=True),
        manage_cache_rules=read.boolean("manageCacheRules", default=True),
        manage_cloud_connector=read.boolean("manageCloudConnector", default=False),
    )
    if read.problems:
        raise ConfigError(_report(stack, read.problems))
    return config


def _report(stack: str, problems: list[str]) -> str:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"the configuration of stack {stack} is not valid, so nothing was changed:\n{lines}\n"
        "Pulumi.yaml and docs/deploy.md describe every setting."
    )


def _other_hostnames(read: _Reader, station: str, zone: str) -> tuple[str, str]:
    """Return the media and the admin hostname; all hostnames must be in the zone and differ."""
    if not station or not zone:
        return "", ""
    names = {"hostname": station}
    for role in ("media", "admin"):
        default = sibling_hostname(station, role, apex=station == zone)
        names[f"{role}Hostname"] = read.text(f"{role}Hostname", parse_hostname, default)
    for key, name in names.items():
        if not in_zone(name, zone):
            read.add_problem(
                key, f"{name} is outside the zone {zone}, which must contain all hostnames"
            )
            break  # the defaults of the others follow from the first
        if name.count(".") > zone.count(".") + 1:
            read.add_problem(
                key,
                f"{name} is more than one level below {zone}, which Cloudflare's certificate"
                " does not cover: use a name one level below",
            )
    for key, other in combinations(names, 2):
        if names[key] == names[other]:
            read.add_problem(other, f"{names[other]} is already the {key}: they must differ")
    return names["mediaHostname"], names["adminHostname"]


def _access(read: _Reader, admin_hostname: str) -> Access | None:
    emails = read.texts("accessEmails", checks.email)
    team = read.text("accessTeam", checks.team, "", required="<team>" if emails else "")
    return Access(emails, team, admin_hostname) if emails else None


def _torrent_port(read: _Reader) -> int:
    port = read.integer("torrentPort", 0, 0, MAX_PORT)
    if port in TAKEN_PORTS or 0 < port < MIN_TORRENT_PORT:
        read.add_problem("torrentPort", f"{port} is taken: use one like 6881, or 0 for none")
    return port


def _host(read: _Reader) -> NewHost | ExistingHost:
    ip = read.text("existingInstanceIp", checks.address, "")
    if ip:
        return ExistingHost(ip, read.text("existingArchitecture", checks.architecture, "amd64"))
    return NewHost(
        region=_region(read),
        image=read.text("image", _image, "debian-13"),
        instance_type=read.text("instanceType", checks.instance_type, "t4g.small"),
        volume_gb=read.integer("volumeGb", 30, MIN_VOLUME_GB, MAX_VOLUME_GB),
        ssh_public_key=read.text(
            "sshPublicKey", checks.public_key, "", required='-- "$(cat ~/.ssh/id_ed25519.pub)"'
        ),
    )


def _image(text: str) -> str:
    if text in IMAGES:
        return text
    raise ValueError(f"{text!r} is not a supported image: use {', '.join(IMAGES)}")


def _region(read: _Reader) -> str:
    """Return the region of the AWS provider, from the same sources as the provider."""
    region = pulumi.Config("aws").get("region")
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        read.problems.append("aws:region: is missing: pulumi config set aws:region eu-central-1")
        return ""
    try:
        return checks.region(region)
    except ValueError as error:
        read.problems.append(f"aws:region: {error}")
        return ""


def _host_keys(read: _Reader) -> tuple[str, ...]:
    example = "<the line of its /etc/ssh/ssh_host_ed25519_key.pub>"
    return read.texts(
        "sshHostKeys", checks.host_key, required=example if read.has_existing_host else ""
    )

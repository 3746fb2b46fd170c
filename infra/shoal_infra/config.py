"""The stack's configuration, read and checked as a whole before anything is made."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar, cast

import pulumi

from shoal.hostnames import beside, hostname, in_zone
from shoal_infra import checks, naming
from shoal_infra.images import IMAGES

LEAST_VOLUME_GB = 8
MOST_VOLUME_GB = 1000
LEAST_TORRENT_PORT = 1024
MAX_PORT = 65535
TAKEN_PORTS = (1935, 3000, 8000, 8080, 8081)


@dataclass(frozen=True)
class Access:
    """Who may pass Cloudflare Access."""

    emails: tuple[str, ...]
    """addresses, and domains with their @"""
    team: str
    admin_hostname: str


@dataclass(frozen=True)
class NewHost:
    """A host to make at EC2."""

    region: str
    image: str
    instance_type: str
    volume_gb: int
    ssh_public_key: str


@dataclass(frozen=True)
class AdoptedHost:
    """A host that is there."""

    ip: str
    architecture: checks.Architecture


@dataclass(frozen=True)
class StationConfig:
    """Everything that a stack's configuration says."""

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
    host: NewHost | AdoptedHost
    ssh_user: str
    """empty: the image's own; never for a host that is adopted"""
    ssh_host_keys: tuple[str, ...]
    bucket: str
    manage_bucket_rules: bool
    manage_cache_rules: bool
    manage_cloud_connector: bool


class ConfigError(pulumi.RunError):
    """Settings that cannot be: Pulumi prints the text and stops, without a stack trace."""


T = TypeVar("T")


class _Reader:
    """Reads settings one by one and keeps what is wrong with them."""

    def __init__(self) -> None:
        self._config = pulumi.Config()
        self.problems: list[str] = []
        self.adopts = bool(self._config.get("existingInstanceIp"))
        """whether the host is there already"""

    def wrong(self, key: str, problem: object) -> None:
        self.problems.append(f"shoal:{key}: {problem}")

    def text(self, key: str, check: Callable[[str], T], default: T, *, needed: str = "") -> T:
        """Return a checked text; `needed` says what an empty one lacks."""
        value = self._config.get(key) or ""
        if not value:
            if needed:
                self.wrong(key, f"is missing: pulumi config set {key} {needed}")
            return default
        return self._checked(key, check, value, default)

    def texts(self, key: str, check: Callable[[str], str], *, needed: str = "") -> tuple[str, ...]:
        """Return a list of checked texts."""
        try:
            found: object = self._config.get_object(key)
        except pulumi.ConfigTypeError:
            found = self._config.get(key)
        if found is None or found == []:
            if needed:
                self.wrong(key, f"is missing: pulumi config set --path '{key}[0]' {needed}")
            return ()
        values = cast("list[object]", found) if isinstance(found, list) else [found]
        if not isinstance(found, list) or not all(isinstance(value, str) for value in values):
            example = needed or "VALUE"
            self.wrong(key, f"is no list: pulumi config set --path '{key}[0]' {example}")
            return ()
        checked = [self._checked(key, check, str(value), "") for value in values]
        return tuple(dict.fromkeys(value for value in checked if value))

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """Return a number between two others."""
        try:
            value = self._config.get_int(key)
        except pulumi.ConfigTypeError:
            value = least - 1
        if value is None:
            return default
        if not least <= value <= most:
            self.wrong(key, f"must be a number from {least} to {most}")
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return a switch."""
        try:
            value = self._config.get_bool(key)
        except pulumi.ConfigTypeError:
            self.wrong(key, "must be true or false")
            return default
        return default if value is None else value

    def _checked(self, key: str, check: Callable[[str], T], value: str, default: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            self.wrong(key, error)
            return default


def load() -> StationConfig:
    """Return the current stack's configuration. Raises ConfigError, naming all that is wrong."""
    stack = pulumi.get_stack()
    read = _Reader()
    zone = read.text("zone", hostname, "", needed="example.org")
    station = read.text("hostname", hostname, "", needed="tv.example.org")
    media, admin = _other_hostnames(read, station, zone)
    config = StationConfig(
        stack=stack,
        hostname=station,
        media_hostname=media,
        zone=zone,
        account_id=read.text(
            "cloudflareAccountId", checks.account_id, "", needed="<32 hex digits>"
        ),
        access=_access(read, admin),
        embed_origins=read.texts("embedOrigins", checks.origin),
        rtmp_cidrs=read.texts("rtmpAllowedCidrs", checks.network, needed="<encoder's address>/32"),
        ssh_cidrs=read.texts("sshAllowedCidrs", checks.network, needed="<your address>/32"),
        torrent_port=_torrent_port(read),
        host=_host(read),
        ssh_user=read.text("sshUser", checks.user, "", needed="<user>" if read.adopts else ""),
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
        f"the configuration of stack {stack} cannot be used, so nothing was changed:\n{lines}\n"
        "Every setting is described in Pulumi.yaml and docs/deploy.md."
    )


def _other_hostnames(read: _Reader, station: str, zone: str) -> tuple[str, str]:
    """Return the media and the admin hostname; all names must lie in the zone and differ."""
    if not station or not zone:
        return "", ""
    names = {"hostname": station}
    for what in ("media", "admin"):
        usual = beside(station, what, apex=station == zone)
        names[f"{what}Hostname"] = read.text(f"{what}Hostname", hostname, usual)
    for key, name in names.items():
        if not in_zone(name, zone):
            read.wrong(key, f"{name} is outside the zone {zone}, which must hold all names")
            break  # the other names follow from the first
        if name.count(".") > zone.count(".") + 1:
            read.wrong(
                key,
                f"{name} is more than one level below {zone}, where Cloudflare's certificate"
                " does not reach: take a name one level below",
            )
    for key, other in combinations(names, 2):
        if names[key] == names[other]:
            read.wrong(other, f"{names[other]} is the {key} already: they must differ")
    return names["mediaHostname"], names["adminHostname"]


def _access(read: _Reader, admin_hostname: str) -> Access | None:
    emails = read.texts("accessEmails", checks.email)
    team = read.text("accessTeam", checks.team, "", needed="<team>" if emails else "")
    return Access(emails, team, admin_hostname) if emails else None


def _torrent_port(read: _Reader) -> int:
    port = read.integer("torrentPort", 0, 0, MAX_PORT)
    if port in TAKEN_PORTS or 0 < port < LEAST_TORRENT_PORT:
        read.wrong("torrentPort", f"{port} is taken: take one like 6881, or 0 for none")
    return port


def _host(read: _Reader) -> NewHost | AdoptedHost:
    ip = read.text("existingInstanceIp", checks.address, "")
    if ip:
        return AdoptedHost(ip, read.text("existingArchitecture", checks.architecture, "amd64"))
    return NewHost(
        region=_region(read),
        image=read.text("image", _image, "debian-13"),
        instance_type=read.text("instanceType", checks.instance_type, "t4g.small"),
        volume_gb=read.integer("volumeGb", 30, LEAST_VOLUME_GB, MOST_VOLUME_GB),
        ssh_public_key=read.text(
            "sshPublicKey", checks.public_key, "", needed='-- "$(cat ~/.ssh/id_ed25519.pub)"'
        ),
    )


def _image(text: str) -> str:
    if text in IMAGES:
        return text
    raise ValueError(f"{text!r} is no image of ours: take {', '.join(IMAGES)}")


def _region(read: _Reader) -> str:
    """Return the AWS provider's region, which is found where the provider finds it."""
    named = pulumi.Config("aws").get("region")
    named = named or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not named:
        read.problems.append("aws:region: is missing: pulumi config set aws:region eu-central-1")
        return ""
    try:
        return checks.region(named)
    except ValueError as error:
        read.problems.append(f"aws:region: {error}")
        return ""


def _host_keys(read: _Reader) -> tuple[str, ...]:
    shown = "<the line of its /etc/ssh/ssh_host_ed25519_key.pub>"
    return read.texts("sshHostKeys", checks.host_key, needed=shown if read.adopts else "")

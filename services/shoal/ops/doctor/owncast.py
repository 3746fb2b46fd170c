"""Owncast: its version, its default secrets, its storage, and who can reach it."""

import re
import socket
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped
from shoal.ops.doctor.probe_context import ProbeContext, Response

MIN_VERSION = (0, 2, 0)
"""older versions remove their HLS folder and create another one at every stream"""
DEFAULT_SECRET = "abc123"
"""password and stream key of a fresh install, which are public knowledge"""
USER = "admin"
LISTENING = "0A"
ADMIN_FIX = "change it in Owncast's admin pages, or run `ansible-playbook site.yml --tags owncast`"


class _Status(msgspec.Struct):
    versionNumber: str  # noqa: N815 - Owncast's name


async def _check_version(context: ProbeContext) -> Finding:
    response = await context.get(f"{context.host.owncast}/api/status")
    text = msgspec.json.decode(response.body, type=_Status).versionNumber
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    if numbers is None:
        return broken(f"Owncast reports its version as {text!r}", "install a release of Owncast")
    if tuple(map(int, numbers.groups())) < MIN_VERSION:
        return broken(
            f"Owncast {text}: segments are lost when a stream begins",
            "install 0.2.0 or newer: set owncast_version, then deploy with `--tags owncast`",
        )
    return ok(f"Owncast {text}")


async def _get_configuration(context: ProbeContext, password: str) -> Response:
    authorization = aiohttp.encode_basic_auth(USER, password)
    url = f"{context.host.owncast}/api/admin/serverconfig"
    return await context.get(url, {"Authorization": authorization})


async def _check_passwords(context: ProbeContext) -> Finding:
    response = await _get_configuration(context, DEFAULT_SECRET)
    if response.status == 404:
        return skipped("this Owncast has no admin pages: it is the stand-in of `shoal up`")
    if response.status == 200:
        return broken("the administrator still has a fresh install's password", ADMIN_FIX)
    settings = await _read_settings(context)
    if isinstance(settings, Finding):
        return ok("the administrator's password has been changed")
    if any(key.get("key") == DEFAULT_SECRET for key in settings.get("streamKeys", [])):
        return broken("the stream key is still a fresh install's: anyone can broadcast", ADMIN_FIX)
    return ok("the administrator's password and the stream key have been changed")


async def _check_storage(context: ProbeContext) -> Finding:
    settings = await _read_settings(context)
    if isinstance(settings, Finding):
        return settings
    if settings.get("s3", {}).get("enabled"):
        return broken(
            "Owncast uploads to S3 itself, and deletes files before the broadcaster has read them",
            f"turn off Owncast's S3 storage: {ADMIN_FIX}",
        )
    return ok("Owncast's own S3 storage is off")


async def _read_settings(context: ProbeContext) -> dict[str, Any] | Finding:
    """Return Owncast's settings, or a skipped finding that says why they cannot be read."""
    for password in (context.host.owncast_password, DEFAULT_SECRET):
        if password is not None:
            response = await _get_configuration(context, password)
            if response.status == 200:
                return msgspec.json.decode(response.body, type=dict[str, Any])
            if response.status == 404:
                return skipped("this Owncast has no admin pages: it is the stand-in of `shoal up`")
    return skipped("Owncast's password is not known here: run this as root on the host")


async def _check_port(context: ProbeContext) -> Finding:
    port = URL(context.host.owncast).port or 0
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    text = "\n".join(path.read_text() for path in tables if path.exists())
    addresses = listening_addresses(text, port)
    if not addresses:
        return skipped(f"nothing in this network namespace listens on port {port}")
    if exposed := [address for address in addresses if not _is_loopback(address)]:
        return broken(
            f"port {port} listens on {', '.join(exposed)}: anyone can play from EC2",
            "start Owncast with -webserverip 127.0.0.1",
        )
    return ok(f"port {port} listens on {', '.join(addresses)} only")


def listening_addresses(table: str, port: int) -> list[str]:
    """Return the addresses on which a port listens, from the kernel's tables of TCP sockets."""
    found = set[str]()
    for line in table.splitlines():
        columns = line.split()
        if len(columns) > 3 and columns[3] == LISTENING:
            address, _, number = columns[1].partition(":")
            if int(number, 16) == port:
                found.add(_decode_address(address))
    return sorted(found)


def _decode_address(address: str) -> str:
    """Return an address from the kernel's form: words of 32 bits in host order (little endian)."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    packed = b"".join(words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.") or address.startswith("::ffff:127.")


CHECKS = (
    Check("owncast version", "older ones lose segments when a stream begins", _check_version),
    Check("owncast passwords", "a fresh install's are public knowledge", _check_passwords),
    Check("owncast storage", "two uploaders get in each other's way", _check_storage),
    Check("owncast port", "anyone who reaches it takes video from EC2", _check_port),
)

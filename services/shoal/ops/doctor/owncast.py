"""Owncast: its version, its defaults, and whom it serves."""

import re
import socket
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from shoal.ops.doctor.check import Finding, broken, ok, skipped
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import Answer, Visit

OLDEST = (0, 2, 0)
"""older ones take their HLS folder away and make another, at every stream"""
DEFAULT_SECRET = "abc123"
"""what a fresh install has, for all the world to read"""
USER = "admin"
LISTENING = "0A"
ADMIN_FIX = "set it in Owncast's admin pages, or by `ansible-playbook site.yml --tags owncast`"


class _Status(msgspec.Struct):
    versionNumber: str  # noqa: N815 - Owncast's name


async def _version(visit: Visit) -> Finding:
    answer = await visit.get(f"{visit.place.owncast}/api/status")
    text = msgspec.json.decode(answer.body, type=_Status).versionNumber
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    if numbers is None:
        return broken(f"Owncast calls itself {text!r}", "is that a release of Owncast?")
    if tuple(map(int, numbers.groups())) < OLDEST:
        return broken(
            f"Owncast {text}: segments get lost when a stream begins",
            "install 0.2.0 or newer: owncast_version, then `--tags owncast`",
        )
    return ok(f"Owncast {text}")


async def _configuration(visit: Visit, password: str) -> Answer:
    authorization = aiohttp.encode_basic_auth(USER, password)
    url = f"{visit.place.owncast}/api/admin/serverconfig"
    return await visit.get(url, {"Authorization": authorization})


async def _passwords(visit: Visit) -> Finding:
    answer = await _configuration(visit, DEFAULT_SECRET)
    if answer.status == 404:
        return skipped("this Owncast has no admin pages: it is `shoal up`'s")
    if answer.status == 200:
        return broken("the administrator's password is a fresh install's", ADMIN_FIX)
    said = await _settings(visit)
    if isinstance(said, Finding):
        return ok("the administrator's password was changed")
    if any(key.get("key") == DEFAULT_SECRET for key in said.get("streamKeys", [])):
        return broken("the stream key is a fresh install's: anybody can broadcast", ADMIN_FIX)
    return ok("the administrator's password and the stream key were changed")


async def _s3(visit: Visit) -> Finding:
    said = await _settings(visit)
    if isinstance(said, Finding):
        return said
    if said.get("s3", {}).get("enabled"):
        return broken(
            "Owncast stores to S3 itself: it deletes files before the broadcaster has them",
            f"switch it off: {ADMIN_FIX}",
        )
    return ok("off")


async def _settings(visit: Visit) -> dict[str, Any] | Finding:
    """Return Owncast's settings, or why they cannot be had."""
    for password in (visit.place.owncast_password, DEFAULT_SECRET):
        if password is not None:
            answer = await _configuration(visit, password)
            if answer.status == 200:
                return msgspec.json.decode(answer.body, type=dict[str, Any])
            if answer.status == 404:
                return skipped("this Owncast has no admin pages: it is `shoal up`'s")
    return skipped("Owncast's password is not known here: are you root, on its host?")


async def _listening(visit: Visit) -> Finding:
    port = URL(visit.place.owncast).port or 0
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    text = "\n".join(path.read_text() for path in tables if path.exists())
    addresses = listening(text, port)
    if not addresses:
        return skipped(f"port {port} is not of this network namespace")
    if open_ones := [address for address in addresses if not _is_loopback(address)]:
        return broken(
            f"port {port} listens on {', '.join(open_ones)}: anybody can play from EC2",
            "start Owncast with -webserverip 127.0.0.1",
        )
    return ok(f"port {port} listens on {', '.join(addresses)} only")


def listening(table: str, port: int) -> list[str]:
    """Return the addresses on which a port listens, of the kernel's tables of TCP sockets."""
    found = set[str]()
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == LISTENING:
            address, _, number = words[1].partition(":")
            if int(number, 16) == port:
                found.add(_readable(address))
    return sorted(found)


def _readable(address: str) -> str:
    """Return an address of the kernel's: words of 32 bits in this machine's order (little)."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    packed = b"".join(words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed)


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.") or address.startswith("::ffff:127.")


CHECKS = (
    Check("owncast version", "older ones lose segments when a stream begins", _version),
    Check("owncast passwords", "everybody knows a fresh install's", _passwords),
    Check("owncast storage", "two uploaders get in each other's way", _s3),
    Check("owncast port", "who reaches it takes video from EC2", _listening),
)

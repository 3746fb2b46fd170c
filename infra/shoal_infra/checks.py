"""Checks of single settings: each returns the value as it is used, or raises ValueError."""

import base64
import binascii
import difflib
import ipaddress
import re
import struct
from typing import Literal

import boto3
from pydantic import TypeAdapter, ValidationError

from shoal.config.types import Origin

Architecture = Literal["amd64", "arm64"]

WIDEST_PREFIX = {4: 8, 6: 16}
RSA_LEAST_BITS = 2048
_ORIGIN: TypeAdapter[str] = TypeAdapter(Origin)


def network(text: str) -> str:
    """Return a CIDR; a single address stands for itself. Half the world is no network."""
    text = text.strip()
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is no network: write an address or a CIDR, as in 203.0.113.4/32"
        ) from None
    if found.prefixlen < WIDEST_PREFIX[found.version]:
        raise ValueError(
            f"{text} is open to the world: name the networks that need it, as in 203.0.113.4/32"
        )
    if ipaddress.ip_interface(text).ip != found.network_address:
        raise ValueError(f"{text} has bits set behind its prefix: is {found} meant?")
    return str(found)


def account_id(text: str) -> str:
    """Return a Cloudflare account's id."""
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return text
    raise ValueError(
        f"{text!r} is no account id: those are 32 hex digits, on the zone's overview page"
    )


def email(text: str) -> str:
    """Return an address, or a whole @domain."""
    if re.fullmatch(r"[^@\s]*@([a-z0-9-]+\.)+[a-z0-9-]+", text, re.IGNORECASE):
        return text.lower()
    raise ValueError(f"{text!r} is neither an e-mail address nor a domain like @example.org")


def team(text: str) -> str:
    """Return a Zero Trust team name, also of its whole domain."""
    name = text.removeprefix("https://").rstrip("/").removesuffix(".cloudflareaccess.com")
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    raise ValueError(f"{text!r} is no team name: it is the <team> of <team>.cloudflareaccess.com")


def origin(text: str) -> str:
    """Return an origin as browsers write it, or *."""
    try:
        return _ORIGIN.validate_python(text)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def region(text: str) -> str:
    """Return a region of EC2 that the locked boto3 knows."""
    known = boto3.session.Session().get_available_regions("ec2")
    if text in known:
        return text
    near = difflib.get_close_matches(text, known, n=4, cutoff=0.5) or ["us-east-1", "eu-central-1"]
    raise ValueError(f"{text!r} is no region of EC2: there is, for example, {', '.join(near)}")


def instance_type(text: str) -> str:
    """Return an instance type that the images boot on and that encrypts its disk."""
    if re.fullmatch(r"(t3a?|t4g|[cmr][5-9][a-z-]*)\.(\d*x?large|micro|small|medium)", text):
        return text
    raise ValueError(f"{text!r} is no instance type for a station: take t4g.small or t3.small")


def architecture_of(instance: str) -> Architecture:
    """Return what an instance type runs: AWS' own processors have a g behind the generation."""
    return "arm64" if re.match(r"[a-z]\d+g", instance) else "amd64"


def architecture(text: str) -> Architecture:
    """Return a processor's name."""
    if text in ("amd64", "arm64"):
        return text
    raise ValueError(f"{text!r} is neither amd64 nor arm64")


def address(text: str) -> str:
    """Return an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address, as in 203.0.113.9") from None


def bucket(text: str) -> str:
    """Return a bucket's name as R2 takes it."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text):
        return text
    raise ValueError(
        f"{text!r} is no bucket name: 3 to 63 small letters, digits and hyphens, none at the ends"
    )


def user(text: str) -> str:
    """Return the name of a user on a Debian or Ubuntu host."""
    if re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text):
        return text
    raise ValueError(f"{text!r} is no user's name")


def public_key(text: str) -> str:
    """Return an ssh public key that EC2 takes: Ed25519, or RSA of 2048 bits and more."""
    kind, blob = _public_key(text)
    if kind == "ssh-ed25519":
        return text.strip()
    if kind != "ssh-rsa":
        raise ValueError(f"EC2 takes no {kind} keys: make one with ssh-keygen -t ed25519")
    modulus = _fields(blob)[2:3]
    bits = int.from_bytes(b"".join(modulus), "big").bit_length()
    if bits < RSA_LEAST_BITS:
        raise ValueError(f"this RSA key has {bits} bits: make one with ssh-keygen -t ed25519")
    return text.strip()


def host_key(text: str) -> str:
    """Return a host's public key, without what follows it."""
    _public_key(text)
    return " ".join(text.split()[:2])


def _public_key(text: str) -> tuple[str, bytes]:
    """Return the kind and the blob of an OpenSSH public key. The text is never repeated."""
    if "PRIVATE KEY" in text:
        raise ValueError("this is the private key! Keep it; what is wanted is the .pub file's line")
    words = text.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        named = _fields(blob)[0].decode("ascii")
    except (IndexError, binascii.Error, struct.error, UnicodeDecodeError):
        raise ValueError(
            "this is no ssh public key: it is one line like ssh-ed25519 AAAAC3… you@there"
        ) from None
    if named != words[0]:
        raise ValueError(f"this key says that it is {words[0]} and holds {named or 'nothing'}")
    return named, blob


def _fields(blob: bytes) -> list[bytes]:
    """Return the strings of a key's blob (RFC 4253, section 6.6)."""
    fields: list[bytes] = []
    while blob:
        (length,) = struct.unpack_from(">I", blob)
        if len(blob) < 4 + length:
            raise struct.error("cut off")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if not fields:
        raise struct.error("empty")
    return fields

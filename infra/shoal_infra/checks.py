"""Checks of single settings: each returns the normalized value, or raises ValueError."""

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

MIN_PREFIX = {4: 8, 6: 16}
MIN_RSA_BITS = 2048
_ORIGIN: TypeAdapter[str] = TypeAdapter(Origin)


def network(text: str) -> str:
    """Return a CIDR; a single address means itself alone. It must not be open to the world."""
    text = text.strip()
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a network: write an address or a CIDR, such as 203.0.113.4/32"
        ) from None
    if found.prefixlen < MIN_PREFIX[found.version]:
        raise ValueError(
            f"{text} is open to the world: list only the networks that need access, such as"
            " 203.0.113.4/32"
        )
    if ipaddress.ip_interface(text).ip != found.network_address:
        raise ValueError(f"{text} has bits set after its prefix: write {found} for that network")
    return str(found)


def account_id(text: str) -> str:
    """Return the ID of a Cloudflare account."""
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return text
    raise ValueError(
        f"{text!r} is not an account ID: it has 32 hex digits, see the zone's overview page"
    )


def email(text: str) -> str:
    """Return an email address, or a whole @domain."""
    if re.fullmatch(r"[^@\s]*@([a-z0-9-]+\.)+[a-z0-9-]+", text, re.IGNORECASE):
        return text.lower()
    raise ValueError(f"{text!r} is neither an email address nor a domain like @example.org")


def team(text: str) -> str:
    """Return a Zero Trust team name; its full domain is accepted too."""
    name = text.removeprefix("https://").rstrip("/").removesuffix(".cloudflareaccess.com")
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        return name
    raise ValueError(
        f"{text!r} is not a team name: write the <team> of <team>.cloudflareaccess.com"
    )


def origin(text: str) -> str:
    """Return an origin as browsers write it, or *."""
    try:
        return _ORIGIN.validate_python(text)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def region(text: str) -> str:
    """Return an EC2 region that the locked version of boto3 knows."""
    known = boto3.session.Session().get_available_regions("ec2")
    if text in known:
        return text
    similar = difflib.get_close_matches(text, known, n=4, cutoff=0.5) or [
        "us-east-1",
        "eu-central-1",
    ]
    raise ValueError(f"{text!r} is not an EC2 region: there is, for example, {', '.join(similar)}")


def instance_type(text: str) -> str:
    """Return an instance type that boots the images and encrypts its disk."""
    if re.fullmatch(r"(t3a?|t4g|[cmr][5-9][a-z-]*)\.(\d*x?large|micro|small|medium)", text):
        return text
    raise ValueError(f"{text!r} is not an instance type for a station: use t4g.small or t3.small")


def architecture_of(instance: str) -> Architecture:
    """Return the architecture of an instance type: a g after the generation means ARM."""
    return "arm64" if re.match(r"[a-z]\d+g", instance) else "amd64"


def architecture(text: str) -> Architecture:
    """Return the name of a processor architecture."""
    if text in ("amd64", "arm64"):
        return text
    raise ValueError(f"{text!r} is neither amd64 nor arm64")


def address(text: str) -> str:
    """Return an IP address."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address such as 203.0.113.9") from None


def bucket(text: str) -> str:
    """Return a bucket name that R2 accepts."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text):
        return text
    raise ValueError(
        f"{text!r} is not a bucket name: write 3 to 63 lowercase letters, digits and hyphens,"
        " without a hyphen at either end"
    )


def user(text: str) -> str:
    """Return the name of a user on a Debian or Ubuntu host."""
    if re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text):
        return text
    raise ValueError(
        f"{text!r} is not a user name: write lowercase letters, digits, _ and -, such as admin"
    )


def public_key(text: str) -> str:
    """Return an ssh public key that EC2 accepts: Ed25519, or RSA of at least 2048 bits."""
    kind, blob = _public_key(text)
    if kind == "ssh-ed25519":
        return text.strip()
    if kind != "ssh-rsa":
        raise ValueError(f"EC2 does not accept {kind} keys: create one with ssh-keygen -t ed25519")
    modulus = _fields(blob)[2:3]
    bits = int.from_bytes(b"".join(modulus), "big").bit_length()
    if bits < MIN_RSA_BITS:
        raise ValueError(
            f"this RSA key has {bits} bits, too few: create a key with ssh-keygen -t ed25519"
        )
    return text.strip()


def host_key(text: str) -> str:
    """Return a host's public key without its comment."""
    _public_key(text)
    return " ".join(text.split()[:2])


def _public_key(text: str) -> tuple[str, bytes]:
    """Return the type and the blob of an OpenSSH public key. Errors never repeat the text."""
    if "PRIVATE KEY" in text:
        raise ValueError("this is the private key! Keep it secret; use the line in the .pub file")
    words = text.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
        named = _fields(blob)[0].decode("ascii")
    except (IndexError, binascii.Error, struct.error, UnicodeDecodeError):
        raise ValueError(
            "this is not an ssh public key: that is one line like ssh-ed25519 AAAAC3… you@host"
        ) from None
    if named != words[0]:
        raise ValueError(
            f"this key is labeled {words[0]}, but contains {named or 'nothing'}: copy the whole"
            " line of the .pub file again"
        )
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

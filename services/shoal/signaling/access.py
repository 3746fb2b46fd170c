"""Who may come in: where a client is, which page it comes from, and how much it may ask for.

Plain: headers and times go in, verdicts come out. What a refusal's code means is written in
docs/architecture.md.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shoal.auth import check_join_token, host_name

IPV4_NETWORK = 24
IPV6_NETWORK = 48
IPV6_SUBSCRIBER = 64
"""who has one such address has as many as it likes"""

TokenVerdict = Literal["ok", "missing", "invalid", "expired"]


@dataclass(frozen=True)
class Refusal:
    """Why somebody is not let in."""

    status: int
    """of the HTTP answer"""
    code: str
    message: str


@dataclass(frozen=True)
class Client:
    """Who asks for a WebSocket, as far as that is known."""

    address: str
    """what is limited: an IPv4 address, or a /64"""
    network: str
    """its /24 or /48, or empty"""
    country: str
    """two letters, or empty"""
    host: str
    """the station's name as it was asked for, without port"""
    through_edge: bool
    """whether the request came from the internet, through the edge's proxy"""


class TrustedProxies:
    """The proxies whose word on a client's address is taken."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust the CIDRs."""
        self._trusted = [ipaddress.ip_network(cidr) for cidr in trusted]

    def client(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Return who is behind a request from the socket address `peer`."""
        forwarded_for = headers.get("CF-Connecting-IP")
        country = ""
        address = peer
        if forwarded_for is not None and self._trusts(peer):
            address = forwarded_for.strip()
            country = headers.get("CF-IPCountry", "").strip().upper()
        return Client(
            address=_network(address, 32, IPV6_SUBSCRIBER) or address,
            network=_network(address, IPV4_NETWORK, IPV6_NETWORK),
            country=country if len(country) == 2 and country.isalnum() else "",
            host=host_name(headers.get("Host", "")),
            through_edge=forwarded_for is not None,
        )

    def _trusts(self, peer: str) -> bool:
        address = _parsed(peer)
        return address is not None and any(address in network for network in self._trusted)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str, ipv4: int, ipv6: int) -> str:
    """Return the network of an address, whose prefix has so many bits; empty for rubbish."""
    address = _parsed(text)
    if address is None:
        return ""
    prefix = ipv4 if address.version == 4 else ipv6
    return str(ipaddress.ip_network((address, prefix), strict=False))


def origin_refusal(headers: Mapping[str, str], embed_origins: Collection[str]) -> Refusal | None:
    """Say why a page may not connect; browsers alone send an `Origin`, others are not asked.

    The station's own pages may, and those of `embed_origins`; `*` there stands for everybody.
    """
    origin = headers.get("Origin")
    if origin is None or "*" in embed_origins or origin.lower() in embed_origins:
        return None
    scheme, _, host = origin.lower().partition("://")
    if scheme in ("http", "https") and host and host == headers.get("Host", "").lower():
        return None
    page = origin[:200].encode(errors="replace").decode()  # bytes that are no UTF-8 are surrogates
    return Refusal(403, "origin", f"pages of {page} may not connect to this station")


def token_verdict(secret: str, token: str | None, host: str, now_s: float) -> TokenVerdict:
    """Say what a join token is worth here; `now_s` is Unix time."""
    return check_join_token(secret, token, host, now_s) if token else "missing"

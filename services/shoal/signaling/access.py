"""Access checks on handshakes: the client's address, the page's origin, and the join token.

Plain: headers and times go in, verdicts come out. docs/architecture.md explains the codes of
refusals.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shoal.auth import check_join_token, host_name

IPV4_NETWORK = 24
IPV6_NETWORK = 48
IPV6_SUBSCRIBER = 64
"""a subscriber with one such address has as many as it likes"""

TokenVerdict = Literal["ok", "missing", "invalid", "expired"]


@dataclass(frozen=True)
class Refusal:
    """Why a handshake is refused."""

    status: int
    """HTTP status of the response"""
    code: str
    message: str


@dataclass(frozen=True)
class Client:
    """The client behind a handshake, as far as it is known."""

    address: str
    """the unit of limits: an IPv4 address, or an IPv6 /64"""
    network: str
    """its /24 or /48; empty: not known"""
    country: str
    """two letters; empty: not known"""
    host: str
    """the station's hostname in the request, without its port"""
    through_edge: bool
    """whether the request came from the internet, through the edge's proxy"""


class TrustedProxies:
    """The proxies whose headers about a client's address are trusted."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust proxies in these CIDR ranges."""
        self._trusted = [ipaddress.ip_network(cidr) for cidr in trusted]

    def client(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Return the client behind a request that arrived from the socket address `peer`."""
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
    """Return an address's network of this prefix length; empty if the address is invalid."""
    address = _parsed(text)
    if address is None:
        return ""
    prefix = ipv4 if address.version == 4 else ipv6
    return str(ipaddress.ip_network((address, prefix), strict=False))


def origin_refusal(headers: Mapping[str, str], embed_origins: Collection[str]) -> Refusal | None:
    """Return why a page may not connect, or None.

    Only browsers send an `Origin`; other clients are not checked. The station's own pages may
    connect, and those in `embed_origins`, where `*` allows every page.
    """
    origin = headers.get("Origin")
    if origin is None or "*" in embed_origins or origin.lower() in embed_origins:
        return None
    scheme, _, host = origin.lower().partition("://")
    if scheme in ("http", "https") and host and host == headers.get("Host", "").lower():
        return None
    page = origin[:200].encode(errors="replace").decode()  # invalid UTF-8 arrives as surrogates
    message = f"pages from {page} may not connect: SHOAL_EMBED_ORIGINS lists those that may"
    return Refusal(403, "origin", message)


def token_verdict(secret: str, token: str | None, host: str, now_s: float) -> TokenVerdict:
    """Return the verdict on a join token for this host; `now_s` is Unix time."""
    return check_join_token(secret, token, host, now_s) if token else "missing"

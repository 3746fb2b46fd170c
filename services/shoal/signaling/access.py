"""Who may come in: where a client is, which page it comes from, and how much it may ask for.

Plain: headers and times go in, verdicts come out. What a refusal's code means is written in
docs/architecture.md.
"""

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shoal.auth import check_join_token, host_name
from shoal.token_bucket import TokenBucket

BURST_S = 10.0
"""messages of so many seconds may come at once"""
ADDRESS_FACTOR = 10
"""an address may send so many times what one of its connections may: many viewers share one"""
REMEMBER_S = BURST_S
"""an address that has left is known for so long: then it may send a whole burst anyway"""
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


class Proxies:
    """The proxies whose word on a client's address is taken."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust the CIDRs."""
        self._trusted = [ipaddress.ip_network(cidr) for cidr in trusted]

    def client(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Return who is behind a request from the socket address `peer`."""
        said = headers.get("CF-Connecting-IP")
        country = ""
        address = peer
        if said is not None and self._trusts(peer):
            address = said.strip()
            country = headers.get("CF-IPCountry", "").strip().upper()
        return Client(
            address=_network(address, 32, IPV6_SUBSCRIBER) or address,
            network=_network(address, IPV4_NETWORK, IPV6_NETWORK),
            country=country if len(country) == 2 and country.isalnum() else "",
            host=host_name(headers.get("Host", "")),
            through_edge=said is not None,
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


def message_bucket(rate_per_s: float, now_s: float) -> TokenBucket:
    """Return a bucket of messages that lets `BURST_S` seconds' worth of them come at once."""
    return TokenBucket(rate_per_s, rate_per_s * BURST_S, now_s)


class Visit:
    """One socket of one address."""

    __slots__ = ("_address", "_own", "_shared", "_visitors")

    def __init__(self, visitors: "Visitors", address: str, now_s: float) -> None:
        self._visitors = visitors
        self._address = address
        self._own = message_bucket(visitors.messages_per_s, now_s)
        self._shared = self._own
        """what all sockets of the address may send together, once this one counts"""

    def begin(self, now_s: float) -> None:
        """Count the socket."""
        self._shared = self._visitors.enter(self._address, now_s)

    def may_speak(self, now_s: float) -> bool:
        """Use up a message of what the socket and its address may send."""
        return self._own.take(now_s) and self._shared.take(now_s)

    def end(self, now_s: float) -> None:
        """Count the socket no more."""
        self._visitors.leave(self._address, now_s)


@dataclass
class _Visitor:
    allowance: TokenBucket
    sockets: int = 0


class Visitors:
    """The addresses that are connected, or were lately: coming again makes nobody new."""

    def __init__(self, max_sockets: int, messages_per_s: float) -> None:
        """Allow an address so many sockets, and each of them so many messages."""
        self.messages_per_s = messages_per_s
        self._max_sockets = max_sockets
        self._visitors: dict[str, _Visitor] = {}
        self._left_at: dict[str, float] = {}
        """when those without a socket had their last one, in that order"""

    def __len__(self) -> int:
        return len(self._visitors)

    def visit(self, address: str, now_s: float) -> Visit | Refusal:
        """Let an address have another socket, or say why not."""
        self._forget(now_s)
        visitor = self._visitors.get(address)
        if visitor is not None and visitor.sockets >= self._max_sockets:
            return Refusal(
                429, "too_many_sockets", f"{self._max_sockets} sockets of one address are the most"
            )
        if visitor is not None and not visitor.allowance.take(now_s):
            return Refusal(429, "too_many_messages", "too much comes from this address")
        return Visit(self, address, now_s)

    def enter(self, address: str, now_s: float) -> TokenBucket:
        """Count a socket; return what all of its address may send together."""
        visitor = self._visitors.get(address)
        if visitor is None:
            allowance = message_bucket(self.messages_per_s * ADDRESS_FACTOR, now_s)
            visitor = self._visitors[address] = _Visitor(allowance)
        self._left_at.pop(address, None)
        visitor.sockets += 1
        return visitor.allowance

    def leave(self, address: str, now_s: float) -> None:
        """Take a socket off the count."""
        visitor = self._visitors[address]
        visitor.sockets -= 1
        if not visitor.sockets:
            self._left_at[address] = now_s

    def _forget(self, now_s: float) -> None:
        """Forget who left long ago."""
        while self._left_at:
            first = next(iter(self._left_at))
            if now_s - self._left_at[first] < REMEMBER_S:
                return
            del self._left_at[first], self._visitors[first]

"""The route table as cloudflared's ingress rules, and which of them applies to a request.

The model follows cloudflared's source (ingress/ingress.go and rule.go): rules in order, the first
match wins; a hostname is compared as is, without the port; a path is an RE2 pattern that is
searched in the decoded path, without the query; nothing is normalized.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import re2
from yarl import URL

from shoal.config.settings import StationSettings
from shoal.routes import HostRole, Route, Service

_URL = re.compile(r"https?://(?:[^/?#@]*@)?(\[[^]/?#]*\]|[^/?#:]*)(?::\d*)?([^?#]*)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Rule:
    """One ingress rule. A `hostname` or `path` of None matches everything."""

    hostname: str | None
    path: str | None
    service: Service
    address: str | None
    """None if cloudflared itself answers, with the status that `service` names"""

    @property
    def target(self) -> str:
        """The value of the rule's `service` in cloudflared's configuration."""
        return self.address or self.service

    def matches(self, host: str, path: str) -> bool:
        """Return whether the rule applies to a request; `path` is decoded and without its query."""
        return self.hostname in (None, host) and (
            self.path is None or re2.search(self.path, path) is not None
        )


def ingress_rules(
    table: Sequence[Route],
    hostnames: Mapping[HostRole, str],
    addresses: Mapping[Service, str],
) -> tuple[Rule, ...]:
    """Return the rules of a route table, one per route.

    Raises ValueError for addresses that cloudflared would refuse or misread.
    """
    return tuple(
        Rule(
            hostname=None if route.host is None else hostnames[route.host],
            path=route.path,
            service=route.service,
            address=_address(addresses, route.service),
        )
        for route in table
    )


def addresses_of(settings: StationSettings) -> dict[Service, str]:
    """Return the address of each service of the route table."""
    return {
        "signaling": settings.signaling_url,
        "broadcaster": settings.broadcaster_url,
        "owncast": settings.owncast_url,
        "site": settings.site_url,
    }


def _address(addresses: Mapping[Service, str], service: Service) -> str | None:
    if service.startswith("http_status:"):
        return None
    url = URL(addresses[service])
    if (
        url.scheme not in ("http", "https") or not url.host
    ):  # cloudflared would proxy other schemes as TCP
        raise ValueError(
            f"the address of {service}, {url}, is not valid for cloudflared: use http://host:port"
        )
    if url.path_qs.strip("/") or url.fragment:
        raise ValueError(
            f"the address of {service}, {url}, is not valid for cloudflared: remove path and query"
        )
    return str(url).rstrip("/")


def parse_request(url: str) -> tuple[str, str]:
    """Return the host and the decoded path of a request for `url`, as cloudflared sees them.

    Raises ValueError for a URL that no HTTP client can request.
    """
    found = _URL.match(url)
    if found is None or not found[1]:
        raise ValueError(f"{url!r} is not a web URL: write it like https://tv.example.org/live")
    if _BAD_ESCAPE.search(found[2]):
        raise ValueError(f"{url!r} has a % that is not followed by two hex digits")
    return found[1].strip("[]"), unquote(found[2], errors="replace") or "/"


def find_rule(rules: Sequence[Rule], host: str, path: str) -> int:
    """Return the index of the rule that cloudflared applies, from 0 as it counts them."""
    for index, rule in enumerate(rules):
        if rule.matches(host, path):
            return index
    raise ValueError("the last ingress rule must match everything")

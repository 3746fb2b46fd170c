"""The route table as cloudflared's ingress rules, and which of them cloudflared would take.

The model follows cloudflared's source (ingress/ingress.go and rule.go): rules in order, the first
match wins; a hostname is compared as it is, without the port; a path is an RE2 pattern that is
searched in the decoded path, without the query; nothing is normalised.
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
    """One ingress rule. `hostname` and `path` are None where everything matches."""

    hostname: str | None
    path: str | None
    service: Service
    address: str | None
    """None: cloudflared answers itself, with the status that `service` names"""

    @property
    def target(self) -> str:
        """What cloudflared calls the rule's `service`."""
        return self.address or self.service

    def matches(self, host: str, path: str) -> bool:
        """Say whether the rule is for a request; `path` is decoded and without query."""
        return self.hostname in (None, host) and (
            self.path is None or re2.search(self.path, path) is not None
        )


def ingress(
    table: Sequence[Route],
    hostnames: Mapping[HostRole, str],
    addresses: Mapping[Service, str],
) -> tuple[Rule, ...]:
    """Return the rules of a route table, one a route.

    Raises ValueError for addresses that cloudflared would refuse, or take for something else.
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
    """Return where the services of the route table are."""
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
    if url.scheme not in ("http", "https") or not url.host:  # others become a TCP proxy
        raise ValueError(f"{service} is at {url}: cloudflared needs http://host:port")
    if url.path_qs.strip("/") or url.fragment:
        raise ValueError(f"{service} is at {url}: cloudflared takes no path there")
    return str(url).rstrip("/")


def request_of(url: str) -> tuple[str, str]:
    """Return the host and the decoded path that cloudflared sees of a request for `url`.

    Raises ValueError for what no HTTP client can ask for.
    """
    found = _URL.match(url)
    if found is None or not found[1]:
        raise ValueError(
            f"{url!r} is no URL of a web page: write it as https://tv.example.org/live"
        )
    if _BAD_ESCAPE.search(found[2]):
        raise ValueError(f"{url!r} has a % that is followed by no two hex digits")
    return found[1].strip("[]"), unquote(found[2], errors="replace") or "/"


def find(rules: Sequence[Rule], host: str, path: str) -> int:
    """Return the number of the rule that cloudflared takes, from 0 as it counts them."""
    for number, rule in enumerate(rules):
        if rule.matches(host, path):
            return number
    raise ValueError("ingress rules must end with one that matches everything")

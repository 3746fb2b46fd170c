"""The one route table, for the tunnel's ingress, the local gateway and the doctor.

Matching is cloudflared's: routes in order, the first match wins; a path is an RE2 pattern that is
*searched* in the decoded path without its query (so every pattern here is anchored), case matters,
nothing is normalized.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import re2

HostRole = Literal["station", "admin", "other"]
Service = Literal[
    "signaling", "broadcaster", "owncast", "site", "http_status:403", "http_status:404"
]


@dataclass(frozen=True)
class Route:
    """One route: requests for `host` (None: any) whose path matches `path` (None: any)."""

    host: HostRole | None
    path: str | None
    service: Service


def routes(*, access: bool) -> tuple[Route, ...]:
    """Return the station's routes in order.

    `access` is whether Cloudflare Access protects Owncast; without it Owncast's own playlist and
    admin pages are closed (403), and there is no admin hostname.
    """
    owncast: Service = "owncast" if access else "http_status:403"
    admin = (Route("admin", None, "owncast"),) if access else ()
    return (
        Route("station", r"^/ws(/|$)", "signaling"),
        Route("station", r"^/live(/|$)", "broadcaster"),
        Route("station", r"^/(hls|admin)(/|$)", owncast),
        Route("station", None, "site"),
        *admin,
        Route(None, None, "http_status:404"),
    )


def match(table: Sequence[Route], host: HostRole, path: str) -> Route:
    """Return the first route of `table` for a request; the last one matches everything."""
    for route in table:
        if route.host not in (None, host):
            continue
        if route.path is None or re2.search(route.path, path):
            return route
    raise ValueError("the last route of a table must match everything")

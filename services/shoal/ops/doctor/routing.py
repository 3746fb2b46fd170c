"""Whether each path leads where the route table says, and leads nowhere else."""

from functools import partial
from urllib.parse import urlsplit

from shoal.ops.doctor.check import Finding, broken, ok, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import Answer, Visit
from shoal.routes import Service, match, routes

TABLE = routes(access=False)
PROBES: dict[Service, str] = {
    "signaling": "/ws",
    "broadcaster": "/live/segments.json",
    "site": "/config.json",
}
"""a path of each service that answers whatever is on air"""
LOOKALIKES = ("/lively", "/wsx", "/hlsx", "/administrator", "/x/live", "/x/hls")
"""which a pattern without its anchors takes for its own"""
INNER = ("/metrics", "/stats", "/broadcaster", "/api/admin/status")
ACCESS_DOMAIN = ".cloudflareaccess.com"
FIX = "`shoal routes --hostname {0} --check {1}{2}` says which rule is meant; `pulumi up` sets them"


def _fix(visit: Visit, path: str) -> str:
    return FIX.format(visit.hostname, visit.url, path)


async def _route(service: Service, visit: Visit) -> Finding:
    path = PROBES[service]
    assert match(TABLE, "station", path).service == service
    answer = await visit.get(path)
    if answer.who != service:
        return broken(f"{answer}: not the {service}", _fix(visit, path))
    return ok(f"{path} is answered by the {service}")


async def _anchored(visit: Visit) -> Finding:
    for path in LOOKALIKES:
        expected = match(TABLE, "station", path).service
        answer = await visit.get(path)
        if answer.who != expected:
            return broken(f"{answer}: should be the {expected}", _fix(visit, path))
    return ok(f"{', '.join(LOOKALIKES)} lead to the site")


async def _closed(path: str, visit: Visit) -> Finding:
    answer = await visit.get(path)
    if _by_access(answer):
        return ok(f"{path} is behind Cloudflare Access")
    if answer.status in (401, 403):
        return ok(f"{path} is closed: {answer.status}")
    if answer.status == 404 and answer.who == "site":
        return warning(f"{path} is the site's, which has nothing there", _fix(visit, path))
    return broken(
        f"{answer}: it is open",
        f"close it: {_fix(visit, path)}; or put Cloudflare Access before it (docs/deploy.md)",
    )


def _by_access(answer: Answer) -> bool:
    host = urlsplit(answer.headers.get("Location", "")).hostname or ""
    return 300 <= answer.status < 400 and host.endswith(ACCESS_DOMAIN)


async def _inner(visit: Visit) -> Finding:
    for path in INNER:
        answer = await visit.get(path)
        if answer.status < 400:
            return broken(f"{answer}: it is for the host alone", _fix(visit, path))
    return ok(f"{', '.join(INNER)} are not there")


CHECKS = (
    Check("route site", "the page and its configuration come from here", partial(_route, "site")),
    Check(
        "route broadcaster",
        "without /live players have no playlist of ours, and Owncast's is the way round",
        partial(_route, "broadcaster"),
    ),
    Check("route signaling", "without /ws no viewer finds another", partial(_route, "signaling")),
    Check("routes anchored", "a pattern that matches too much hides a page", _anchored),
    Check(
        "/hls closed",
        "who plays Owncast's own files takes every byte from EC2, and nobody notices",
        partial(_closed, "/hls/stream.m3u8"),
    ),
    Check("/admin closed", "Owncast's settings are the operator's", partial(_closed, "/admin")),
    Check("inner pages closed", "figures and doors of services are not public", _inner),
)

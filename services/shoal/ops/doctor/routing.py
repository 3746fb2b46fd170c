"""Whether each path leads to the service that the route table names, and to no other."""

from functools import partial
from urllib.parse import urlsplit

from shoal.ops.doctor.check import Check, Finding, broken, ok, warning
from shoal.ops.doctor.probe_context import ProbeContext, Response
from shoal.routes import Service, match, routes

TABLE = routes(access=False)
PROBE_PATHS: dict[Service, str] = {
    "signaling": "/ws",
    "broadcaster": "/live/segments.json",
    "site": "/config.json",
}
"""a path of each service that answers whatever is on air"""
LOOKALIKES = ("/lively", "/wsx", "/hlsx", "/administrator", "/x/live", "/x/hls")
"""paths that a pattern without anchors would match"""
INTERNAL_PATHS = ("/metrics", "/stats", "/broadcaster", "/api/admin/status")
ACCESS_DOMAIN = ".cloudflareaccess.com"
FIX = (
    "`shoal routes --hostname {0} --check {1}{2}` shows which rule should match; `pulumi up`"
    " restores the rules"
)


def _fix(context: ProbeContext, path: str) -> str:
    return FIX.format(context.hostname, context.url, path)


async def _check_route(service: Service, context: ProbeContext) -> Finding:
    path = PROBE_PATHS[service]
    assert match(TABLE, "station", path).service == service
    response = await context.get(path)
    if response.service != service:
        return broken(f"{response}: not the {service}", _fix(context, path))
    return ok(f"the {service} answers {path}")


async def _check_anchors(context: ProbeContext) -> Finding:
    for path in LOOKALIKES:
        expected = match(TABLE, "station", path).service
        response = await context.get(path)
        if response.service != expected:
            return broken(f"{response}: should be the {expected}", _fix(context, path))
    return ok(f"{', '.join(LOOKALIKES)} lead to the site")


async def _check_closed(path: str, context: ProbeContext) -> Finding:
    response = await context.get(path)
    if _is_access_login(response):
        return ok(f"{path} is behind Cloudflare Access")
    if response.status in (401, 403):
        return ok(f"{path} is closed: {response.status}")
    if response.status == 404 and response.service == "site":
        return warning(f"{path} leads to the site, which has nothing there", _fix(context, path))
    return broken(
        f"{response}: it is open",
        f"close it: {_fix(context, path)}; or protect it with Cloudflare Access (docs/deploy.md)",
    )


def _is_access_login(response: Response) -> bool:
    host = urlsplit(response.headers.get("Location", "")).hostname or ""
    return 300 <= response.status < 400 and host.endswith(ACCESS_DOMAIN)


async def _check_internal(context: ProbeContext) -> Finding:
    for path in INTERNAL_PATHS:
        response = await context.get(path)
        if response.status < 400:
            return broken(f"{response}: only the host itself should reach it", _fix(context, path))
    return ok(f"{', '.join(INTERNAL_PATHS)} are not reachable")


CHECKS = (
    Check(
        "route site",
        "the page and its configuration come from here",
        partial(_check_route, "site"),
    ),
    Check(
        "route broadcaster",
        "without /live players cannot load Shoal's playlist, and fall back to Owncast's",
        partial(_check_route, "broadcaster"),
    ),
    Check(
        "route signaling",
        "without /ws viewers cannot find each other",
        partial(_check_route, "signaling"),
    ),
    Check("routes anchored", "a pattern that matches too much hides a page", _check_anchors),
    Check(
        "/hls closed",
        "anyone who plays Owncast's own files takes every byte from EC2, unnoticed",
        partial(_check_closed, "/hls/stream.m3u8"),
    ),
    Check(
        "/admin closed",
        "Owncast's settings are for the operator only",
        partial(_check_closed, "/admin"),
    ),
    Check(
        "inner pages closed",
        "statistics and internal endpoints of the services are not public",
        _check_internal,
    ),
)

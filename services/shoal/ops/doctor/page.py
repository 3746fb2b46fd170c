"""The page: whether it shares, plays Shoal's playlist, and arrives as the site sends it."""

import re
from urllib.parse import urljoin

import msgspec
from yarl import URL

from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.probe_context import (
    PLAYLIST_PATH,
    CannotCheckError,
    ProbeContext,
    Response,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.site.configuration import PlayerConfig

SCRIPT = re.compile(r"<script\b[^>]*\bsrc=[\"']([^\"']+)[\"']", re.IGNORECASE)
PRELOADED = re.compile(r"<link\b[^>]*\brel=[\"']modulepreload[\"'][^>]*>", re.IGNORECASE)
HREF = re.compile(r"\bhref=[\"']([^\"']+)[\"']")
IMPORTED = re.compile(r"(?:from|import)\s*[\"'](\.{0,2}/[^\"']+\.js)[\"']")
MAX_SCRIPTS = 12
ENGINE_MARKS = ("createDataChannel", "plan_version")
"""names that the engine needs at run time, and that no minifier can change"""
OWNCAST_PLAYLIST = re.compile(r"/hls/(?:\d+/)?stream\.m3u8")
BUILD_FIX = (
    "build the player with `make player`, then deploy the site: `make deploy ARGS='--tags shoal'`"
)
MIN_VIEWERS = 2
LOW_SHARE = 0.2

EDGE_MARKS: tuple[tuple[str, str, str], ...] = (
    ("challenge-platform", "the page contains a challenge from Cloudflare", "broken"),
    ("rocket-loader", "Rocket Loader rewrites the page's scripts", "broken"),
    ("/cdn-cgi/zaraz/", "Zaraz adds scripts", "warning"),
    ("email-decode", "email obfuscation rewrites the page", "warning"),
    ("static.cloudflareinsights.com", "Web Analytics adds a script that is blocked", "warning"),
)
"""what Cloudflare's features leave in a page"""


async def _watch_page(context: ProbeContext) -> Response:
    response = await context.page()
    if response.status != 200:
        raise CannotCheckError("the watch page did not load: see `page`")
    return response


async def _check_page(context: ProbeContext) -> Finding:
    response = await context.page()
    if response.service != "site" or response.status != 200 or "<video" not in response.text:
        return broken(
            f"{response}: not the watch page",
            f"`shoal routes --hostname {context.hostname} --check {response.url}` shows which rule"
            " should match; `pulumi up` restores the rules",
        )
    control = response.headers.get("Cache-Control", "")
    if response.cached or "no-cache" not in control:
        return broken(
            f"Cache-Control: {control or 'missing'}: a cache keeps the page",
            "viewers would run an old player after a deployment: remove the cache rule that covers"
            " /",
        )
    return ok("the watch page, not cached")


async def _scripts(context: ProbeContext) -> list[str]:
    """Return the text of the page's scripts and their static imports, "" for one that fails.

    Raises CannotCheckError without a page.
    """
    page = await _watch_page(context)
    preloaded = [HREF.search(link) for link in PRELOADED.findall(page.text)]
    names = [*SCRIPT.findall(page.text), *(found[1] for found in preloaded if found)]
    queue = [urljoin(page.url, name) for name in names]
    known, texts = set(queue), list[str]()
    while queue and len(texts) < MAX_SCRIPTS:
        url = queue.pop(0)
        if URL(url).origin() != URL(context.url).origin():
            continue
        response = await context.get(url)
        if response.status != 200 or "javascript" not in response.headers.get("Content-Type", ""):
            texts.append("")
            continue
        texts.append(response.text)
        new = {urljoin(url, name) for name in IMPORTED.findall(response.text)} - known
        known |= new
        queue += sorted(new)
    return texts


async def _check_engine(context: ProbeContext) -> Finding:
    texts = await _scripts(context)
    code = "\n".join(texts)
    missing = [mark for mark in ENGINE_MARKS if mark not in code]
    if missing:
        return broken(
            f"{sum(map(bool, texts))} of {len(texts)} scripts load, and none contains"
            f" {', '.join(missing)}: the page plays without sharing",
            BUILD_FIX,
        )
    return ok(f"{len(texts)} scripts, including the engine")


async def _check_manifest(context: ProbeContext) -> Finding:
    page = await _watch_page(context)
    code = "\n".join([page.text, *await _scripts(context)])
    if found := OWNCAST_PLAYLIST.search(code):
        return broken(f"the page names {found[0]}, which is Owncast's own playlist", BUILD_FIX)
    config = await context.config()
    url = urljoin(f"{context.url}/", config.playlist)
    if url != f"{context.url}{PLAYLIST_PATH}":
        return broken(
            f"the page plays {url}",
            f"it should play {context.url}{PLAYLIST_PATH}: check what serves /config.json",
        )
    return ok(f"the page plays {url}")


async def _check_config(context: ProbeContext) -> Finding:
    response = await context.config_response()
    try:
        config = msgspec.json.decode(response.body, type=PlayerConfig)
    except msgspec.DecodeError as error:
        return broken(
            f"{response}: {error}",
            "the page cannot start without it: check that the site, in this version, serves"
            " /config.json",
        )
    control = response.headers.get("Cache-Control", "")
    if "no-store" not in control or response.cached or int(response.headers.get("Age", "0")) > 0:
        return broken(
            f"/config.json is cached (Cache-Control: {control or 'missing'})",
            "its join token expires after ten minutes: remove the cache rule that covers it",
        )
    paths = {
        config.room: "/ws/room",
        config.tracker: "/ws",
        config.segments: "/live/segments.json",
    }
    if wrong := [path for path, expected in paths.items() if path != expected]:
        return broken(
            f"/config.json names {', '.join(wrong)}",
            "the route table has no such paths: check that the site runs this version of Shoal",
        )
    return ok(f"plan version {PLAN_VERSION}, sharing consent: {config.consent}")


async def _check_policy(context: ProbeContext) -> Finding:
    page = await _watch_page(context)
    policy = page.headers.get("Content-Security-Policy")
    if policy is None:
        return broken(
            "the page has no Content-Security-Policy",
            "the site sends one: check which proxy or rule removes it",
        )
    directives = {
        name: rest.split()
        for name, _, rest in (d.strip().partition(" ") for d in policy.split(";"))
    }
    store = str(URL((await context.newest()).url).origin())
    scheme = f"{store.partition(':')[0]}:"
    for name in ("connect-src", "media-src"):
        allowed = directives.get(name, directives.get("default-src", []))
        if not {store, scheme, "*"} & set(allowed):
            return broken(
                f"{name} {' '.join(allowed)} blocks the page's access to {store}",
                "give the site the same SHOAL_MEDIA_URL as the broadcaster",
            )
    authority = URL(context.url).authority
    sockets = {f"wss://{authority}", f"ws://{authority}", "wss:", "*"}
    if not sockets & set(directives.get("connect-src", [])):
        return warning(
            "connect-src allows no WebSocket",
            "older Safari cannot join a room: check which proxy or rule changes the site's policy",
        )
    return ok(f"lets the page reach {store} and /ws")


async def _check_edge(context: ProbeContext) -> Finding:
    page = await context.page()
    if page.headers.get("CF-Mitigated") == "challenge":
        return broken(
            "Cloudflare answers with a challenge",
            "exempt the station's hostname from every rule that challenges viewers, from Bot Fight"
            " Mode and from Under Attack Mode",
        )
    for mark, saw, state in EDGE_MARKS:
        if mark in page.text:
            fix = "turn it off for the station's hostname: the page's policy blocks what it adds"
            return broken(saw, fix) if state == "broken" else warning(saw, fix)
    if "CF-Ray" not in page.headers:
        return skipped("the response did not pass through Cloudflare's edge")
    return ok("no trace of edge features in the page")


async def _check_sharing(context: ProbeContext) -> Finding:
    station = await context.station()
    if station.viewers is None:
        return broken(
            "the site cannot reach signaling",
            "check that signaling is running, and SHOAL_SIGNALING_URL of the site",
        )
    if station.viewers < MIN_VIEWERS:
        return skipped(f"{station.viewers} viewers: too few to share")
    if station.share is None:
        return skipped(f"{station.viewers} viewers, who have not received enough yet")
    saw = f"{station.viewers} viewers, peers carry {station.share:.0%}"
    if station.share < LOW_SHARE:
        return warning(saw, "`shoal report` and the dashboard show who cannot share, and why")
    return ok(saw)


CHECKS = (
    Check("page", "it is what viewers open", _check_page),
    Check(
        "engine",
        "a page without it takes everything from the store or EC2, unnoticed",
        _check_engine,
    ),
    Check("manifest", "Owncast's own playlist bypasses store and peers", _check_manifest),
    Check("config", "it tells players where everything is", _check_config),
    Check("page policy", "it can block the page's access to the store", _check_policy),
    Check("edge features", "what Cloudflare adds to pages can break them", _check_edge),
    Check("sharing", "peers should carry most of the video", _check_sharing),
)

"""The page: whether it shares, plays our playlist, and comes as we send it."""

import re
from urllib.parse import urljoin

import msgspec
from yarl import URL

from shoal.ops.doctor.check import Finding, NotKnownError, broken, ok, skipped, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import PLAYLIST_PATH, Answer, Visit
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.site.configuration import PlayerConfig

SCRIPT = re.compile(r"<script\b[^>]*\bsrc=[\"']([^\"']+)[\"']", re.IGNORECASE)
PRELOADED = re.compile(r"<link\b[^>]*\brel=[\"']modulepreload[\"'][^>]*>", re.IGNORECASE)
HREF = re.compile(r"\bhref=[\"']([^\"']+)[\"']")
IMPORTED = re.compile(r"(?:from|import)\s*[\"'](\.{0,2}/[^\"']+\.js)[\"']")
MAX_SCRIPTS = 12
ENGINE = ("createDataChannel", "plan_version")
"""what the engine cannot do its work without, whoever minifies it"""
OWNCASTS_LIST = re.compile(r"/hls/(?:\d+/)?stream\.m3u8")
BUILD_FIX = "`make player`, then deploy the site again: `make deploy ARGS='--tags shoal'`"
FEW_VIEWERS = 2
LOW_SHARE = 0.2

ADDED: tuple[tuple[str, str, str], ...] = (
    ("challenge-platform", "a challenge of Cloudflare's is in the page", "broken"),
    ("rocket-loader", "Rocket Loader rewrites the page's scripts", "broken"),
    ("/cdn-cgi/zaraz/", "Zaraz adds scripts", "warning"),
    ("email-decode", "e-mail obfuscation rewrites the page", "warning"),
    ("static.cloudflareinsights.com", "Web Analytics adds a script that is blocked", "warning"),
)
"""what Cloudflare's features leave in a page"""


async def _served(visit: Visit) -> Answer:
    answer = await visit.page()
    if answer.status != 200:
        raise NotKnownError("there is no page: see `page`")
    return answer


async def _page(visit: Visit) -> Finding:
    answer = await visit.page()
    if answer.who != "site" or answer.status != 200 or "<video" not in answer.text:
        return broken(
            f"{answer}: not the watch page",
            f"`shoal routes --hostname {visit.hostname} --check {answer.url}`; `pulumi up`",
        )
    control = answer.headers.get("Cache-Control", "")
    if answer.cached or "no-cache" not in control:
        return broken(
            f"Cache-Control: {control or 'missing'}, a cache keeps the page",
            "viewers would run an old player after a deployment: no cache rule for /",
        )
    return ok("the watch page, always fresh")


async def _scripts(visit: Visit) -> list[str]:
    """Return the page's scripts and what they import at once; raise NotKnownError for none."""
    page = await _served(visit)
    preloaded = [HREF.search(link) for link in PRELOADED.findall(page.text)]
    names = [*SCRIPT.findall(page.text), *(found[1] for found in preloaded if found)]
    queue = [urljoin(page.url, name) for name in names]
    known, texts = set(queue), list[str]()
    while queue and len(texts) < MAX_SCRIPTS:
        url = queue.pop(0)
        if URL(url).origin() != URL(visit.url).origin():
            continue
        answer = await visit.get(url)
        if answer.status != 200 or "javascript" not in answer.headers.get("Content-Type", ""):
            texts.append("")
            continue
        texts.append(answer.text)
        more = {urljoin(url, name) for name in IMPORTED.findall(answer.text)} - known
        known |= more
        queue += sorted(more)
    return texts


async def _engine(visit: Visit) -> Finding:
    texts = await _scripts(visit)
    code = "\n".join(texts)
    missing = [word for word in ENGINE if word not in code]
    if missing:
        return broken(
            f"{len(texts)} scripts, {sum(map(bool, texts))} of which load, and none has"
            f" {', '.join(missing)}: the page plays without sharing",
            BUILD_FIX,
        )
    return ok(f"{len(texts)} scripts, with the engine in them")


async def _manifest(visit: Visit) -> Finding:
    page = await _served(visit)
    code = "\n".join([page.text, *await _scripts(visit)])
    if found := OWNCASTS_LIST.search(code):
        return broken(f"the page names {found[0]}, which is Owncast's", BUILD_FIX)
    config = await visit.config()
    url = urljoin(f"{visit.url}/", config.playlist)
    if url != f"{visit.url}{PLAYLIST_PATH}":
        return broken(
            f"the page plays {url}",
            f"should be {visit.url}{PLAYLIST_PATH}: who serves /config.json?",
        )
    return ok(f"the page plays {url}")


async def _config(visit: Visit) -> Finding:
    answer = await visit.config_answer()
    try:
        config = msgspec.json.decode(answer.body, type=PlayerConfig)
    except msgspec.DecodeError as error:
        return broken(f"{answer}: {error}", "the page starts with it: who answers /config.json?")
    control = answer.headers.get("Cache-Control", "")
    if "no-store" not in control or answer.cached or int(answer.headers.get("Age", "0")) > 0:
        return broken(
            f"/config.json is cached (Cache-Control: {control or 'missing'})",
            "its join token ends in ten minutes: no cache rule may cover it",
        )
    theirs = {
        config.room: "/ws/room",
        config.tracker: "/ws",
        config.segments: "/live/segments.json",
    }
    if wrong := [said for said, expected in theirs.items() if said != expected]:
        return broken(f"names {', '.join(wrong)}", "these are no paths of the route table")
    return ok(f"for players of plan {PLAN_VERSION}, sharing by {config.consent}")


async def _policy(visit: Visit) -> Finding:
    page = await _served(visit)
    policy = page.headers.get("Content-Security-Policy")
    if policy is None:
        return broken("no Content-Security-Policy", "the site sends one: who takes it away?")
    directives = {
        name: rest.split()
        for name, _, rest in (d.strip().partition(" ") for d in policy.split(";"))
    }
    store = str(URL((await visit.newest()).url).origin())
    scheme = f"{store.partition(':')[0]}:"
    for name in ("connect-src", "media-src"):
        allowed = directives.get(name, directives.get("default-src", []))
        if not {store, scheme, "*"} & set(allowed):
            return broken(
                f"{name} {' '.join(allowed)} keeps the page from {store}",
                "SHOAL_MEDIA_URL of the site must be the broadcaster's",
            )
    sockets = {f"wss://{URL(visit.url).authority}", f"ws://{URL(visit.url).authority}", "wss:", "*"}
    if not sockets & set(directives.get("connect-src", [])):
        return warning("connect-src names no WebSocket", "older Safari then joins no room")
    return ok(f"lets the page reach {store} and /ws")


async def _edge(visit: Visit) -> Finding:
    page = await visit.page()
    if page.headers.get("CF-Mitigated") == "challenge":
        return broken(
            "Cloudflare answers with a challenge",
            "no rule, Bot Fight Mode or Under Attack Mode may challenge viewers of the station",
        )
    for mark, what, state in ADDED:
        if mark in page.text:
            fix = "switch it off for the station's hostname: the page's policy blocks what it adds"
            return broken(what, fix) if state == "broken" else warning(what, fix)
    if "CF-Ray" not in page.headers:
        return skipped("no answer of Cloudflare's edge")
    return ok("the edge changes nothing that can be seen in the page")


async def _viewers(visit: Visit) -> Finding:
    station = await visit.station()
    if station.viewers is None:
        return broken("the site cannot ask signaling", "does signaling run?")
    if station.viewers < FEW_VIEWERS:
        return skipped(f"{station.viewers} viewers: nobody to share with")
    if station.share is None:
        return skipped(f"{station.viewers} viewers, and too little was received yet")
    saw = f"{station.viewers} viewers, peers carry {station.share:.0%}"
    if station.share < LOW_SHARE:
        return warning(saw, "`shoal report` and the dashboard say who cannot share, and why")
    return ok(saw)


CHECKS = (
    Check("page", "it is what viewers open", _page),
    Check("engine", "a page without it takes all from the store or EC2, unnoticed", _engine),
    Check("manifest", "Owncast's own playlist bypasses store and peers", _manifest),
    Check("config", "players learn from it where everything is", _config),
    Check("page policy", "it can lock the page out of the store", _policy),
    Check("edge features", "what Cloudflare adds to pages can stop them", _edge),
    Check("sharing", "peers should carry most of the video", _viewers),
)

"""What browsers need from the object store: bytes, type, caching, CORS, ranges."""

import base64
import hashlib
import secrets

from yarl import URL

from shoal.broadcaster.store import content_type
from shoal.ops.doctor.check import Check, Finding, broken, ok, warning
from shoal.ops.doctor.probe_context import ProbeContext, Response

DAY_S = 86400
CORS_FIX = (
    "the bucket's CORS rules must allow GET and HEAD from the station, with the request header"
    " range: `pulumi up` sets them"
)
DOMAIN_FIX = "check that the bucket's custom domain is enabled, and that SHOAL_MEDIA_URL is its URL"
RANGE_FIX = (
    "without ranges every viewer fetches whole segments: check which proxy or rule in front of the"
    " store changes range requests"
)


async def _check_segment(context: ProbeContext) -> Finding:
    newest, response = await context.newest(), await context.segment_response()
    if response.status != 200:
        return broken(f"{response.url} answered {response.status}", DOMAIN_FIX)
    found = hashlib.sha256(response.body).hexdigest()
    if len(response.body) != newest.size or found != newest.sha256:
        return broken(
            f"{response.url}: {len(response.body)} bytes with SHA-256 {found[:16]}…, but"
            f" {newest.size} bytes with {newest.sha256[:16]}… were published",
            "check whether anything between store and viewer changes bodies, and whether a second"
            " broadcaster writes to the bucket",
        )
    return ok(f"{newest.name}: {newest.size} bytes with the published hash")


async def _check_type(context: ProbeContext) -> Finding:
    newest, response = await context.newest(), await context.segment_response()
    found, expected = response.headers.get("Content-Type", "missing"), content_type(newest.name)
    if found.partition(";")[0].lower() != expected:
        return broken(
            f"Content-Type: {found}",
            f"it should be {expected}: check whether anything but the broadcaster uploads segments",
        )
    if "Content-Encoding" in response.headers:
        return broken(
            f"Content-Encoding: {response.headers['Content-Encoding']}",
            "ranges of an encoded body are not ranges of the segment: turn off compression for"
            " this hostname",
        )
    return ok(found)


async def _check_caching(context: ProbeContext) -> Finding:
    response = await context.segment_response()
    control = response.headers.get("Cache-Control", "missing")
    directives = control.lower().replace(" ", "").split(",")
    ages = [
        int(directive.removeprefix("max-age="))
        for directive in directives
        if directive.startswith("max-age=")
    ]
    if "immutable" not in directives or "public" not in directives or not ages or ages[0] < DAY_S:
        return broken(
            f"Cache-Control: {control}",
            "it should be public, max-age=31536000, immutable: set the zone's browser TTL to"
            " respect the origin",
        )
    edge = response.headers.get("CF-Cache-Status")
    if edge in ("BYPASS", "DYNAMIC"):
        return warning(
            f"CF-Cache-Status: {edge}: every viewer's request is a request to R2",
            "the zone has no cache rule for .ts: run `pulumi up`, or see docs/deploy.md",
        )
    return ok(f"{control}; edge: {edge or 'none seen'}")


async def _check_cors(context: ProbeContext) -> Finding:
    newest, response = await context.newest(), await context.segment_response()
    if not _may_read(response, context.url):
        allowed_origin = response.headers.get("Access-Control-Allow-Origin", "missing")
        return broken(f"Access-Control-Allow-Origin: {allowed_origin}", CORS_FIX)
    headers = {
        "Origin": context.url,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
    }
    preflight = await context.get(newest.url, headers, "OPTIONS")
    allowed = preflight.headers.get("Access-Control-Allow-Headers", "").lower()
    if not preflight.status < 300 or not ("range" in allowed or allowed == "*"):
        return broken(
            f"the preflight of a range request is answered with {preflight.status},"
            f" Access-Control-Allow-Headers: {allowed or 'missing'}",
            CORS_FIX,
        )
    return ok(f"pages of {context.url} may read it, and ranges of it")


def _may_read(response: Response, origin: str) -> bool:
    return response.headers.get("Access-Control-Allow-Origin") in ("*", origin)


async def _check_ranges(context: ProbeContext) -> Finding:
    newest = await context.newest()
    last = min(newest.piece_size, newest.size) - 1
    response = await context.get(newest.url, {"Origin": context.url, "Range": f"bytes=0-{last}"})
    content_range = response.headers.get("Content-Range", "missing")
    if response.status != 206 or content_range != f"bytes 0-{last}/{newest.size}":
        return broken(
            f"bytes=0-{last} was answered with {response.status}, Content-Range: {content_range}",
            RANGE_FIX,
        )
    if base64.b64encode(hashlib.sha256(response.body).digest()).decode() != newest.pieces[0]:
        return broken(f"bytes=0-{last} of {newest.url} are not the published piece", RANGE_FIX)
    return ok(f"206, and the first piece ({last + 1} bytes) has the published hash")


async def _check_oldest(context: ProbeContext) -> Finding:
    # the very first may leave the window, and the store, while it is requested
    oldest = (await context.descriptors())[:2][-1]
    response = await context.get(oldest.url, {"Range": "bytes=0-0"})
    if response.status not in (200, 206):
        return broken(
            f"{oldest.url} answered {response.status}",
            "segments are deleted too early: check the bucket's lifecycle rules, and what else"
            " deletes there",
        )
    return ok(f"{oldest.name} is still in the store")


async def _check_missing(context: ProbeContext) -> Finding:
    newest = await context.newest()
    url = f"{newest.url.rpartition('/')[0]}/stream-none{secrets.token_hex(6)}-0.ts"
    first = await context.get(url)
    second = await context.get(url)
    control = second.headers.get("Cache-Control", "")
    fix = (
        "a segment that is requested too early would stay missing: set the edge TTL to `use"
        " cache-control if present, bypass if not` (docs/deploy.md)"
    )
    if first.status < 400:
        return broken(f"{url}, which does not exist, answered {first.status}", DOMAIN_FIX)
    if second.cached or int(second.headers.get("Age", "0")) > 0:
        return broken(f"the second {second.status} comes from the cache", fix)
    if "max-age=" in control and "max-age=0" not in control:
        return broken(f"a {second.status} has Cache-Control: {control}", fix)
    return ok(f"{second.status}, and not cached")


async def _check_address(context: ProbeContext) -> Finding:
    url = URL((await context.newest()).url)
    if (url.host or "").endswith(".r2.dev"):
        return warning(
            f"{url.host} is R2's address for trials: it is rate-limited, and not cached",
            "give the bucket a custom domain: `pulumi up` does",
        )
    return ok(str(url.origin()))


CHECKS = (
    Check("segment", "it is what viewers play", _check_segment),
    Check("segment type", "players refuse what is not labeled as video", _check_type),
    Check("segment caching", "without it every request goes to R2, and is billed", _check_caching),
    Check("segment CORS", "without it browsers hide the segment from the page", _check_cors),
    Check("segment ranges", "each viewer fetches only its slice", _check_ranges),
    Check("oldest segment", "everything that the playlist names must exist", _check_oldest),
    Check("missing segment", "a cached 404 hides the segment once it exists", _check_missing),
    Check("store address", "R2's address for trials is limited", _check_address),
)

"""What browsers need of the object store: bytes, type, caching, CORS, ranges."""

import base64
import hashlib
import secrets

from yarl import URL

from shoal.broadcaster.containers import content_type
from shoal.ops.doctor.check import Finding, broken, ok, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import Answer, Visit

DAY_S = 86400
CORS_FIX = "the bucket's CORS rules must allow GET and HEAD from the station, with the header range"
DOMAIN_FIX = "is the bucket's custom domain enabled, and SHOAL_MEDIA_URL its URL?"


async def _segment(visit: Visit) -> Finding:
    newest, answer = await visit.newest(), await visit.segment_answer()
    if answer.status != 200:
        return broken(f"{answer.url} answered {answer.status}", DOMAIN_FIX)
    found = hashlib.sha256(answer.body).hexdigest()
    if len(answer.body) != newest.size or found != newest.sha256:
        return broken(
            f"{answer.url}: {len(answer.body)} bytes with SHA-256 {found[:16]}…, published were"
            f" {newest.size} with {newest.sha256[:16]}…",
            "something between store and viewer changes bodies, or a second broadcaster writes",
        )
    return ok(f"{newest.name}: {newest.size} bytes, its hash is right")


async def _type(visit: Visit) -> Finding:
    newest, answer = await visit.newest(), await visit.segment_answer()
    said, wanted = answer.headers.get("Content-Type", "missing"), content_type(newest.name)
    if said.partition(";")[0].lower() != wanted:
        return broken(f"Content-Type: {said}", f"should be {wanted}: who uploads it?")
    if "Content-Encoding" in answer.headers:
        return broken(
            f"Content-Encoding: {answer.headers['Content-Encoding']}",
            "ranges of an encoded body are not the segment's: no compression for this hostname",
        )
    return ok(said)


async def _caching(visit: Visit) -> Finding:
    answer = await visit.segment_answer()
    control = answer.headers.get("Cache-Control", "missing")
    words = control.lower().replace(" ", "").split(",")
    ages = [int(word.removeprefix("max-age=")) for word in words if word.startswith("max-age=")]
    if "immutable" not in words or "public" not in words or not ages or ages[0] < DAY_S:
        return broken(
            f"Cache-Control: {control}",
            "should be public, max-age=31536000, immutable: browser TTL must respect the origin",
        )
    edge = answer.headers.get("CF-Cache-Status")
    if edge in ("BYPASS", "DYNAMIC"):
        return warning(
            f"CF-Cache-Status: {edge}: every viewer's request costs one of R2's",
            "the zone lacks the cache rule for .ts: `pulumi up`, or docs/deploy.md",
        )
    return ok(f"{control}; edge: {edge or 'none seen'}")


async def _cors(visit: Visit) -> Finding:
    newest, answer = await visit.newest(), await visit.segment_answer()
    if not _may_read(answer, visit.url):
        said = answer.headers.get("Access-Control-Allow-Origin", "missing")
        return broken(f"Access-Control-Allow-Origin: {said}", CORS_FIX)
    asking = {
        "Origin": visit.url,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
    }
    before = await visit.get(newest.url, asking, "OPTIONS")
    allowed = before.headers.get("Access-Control-Allow-Headers", "").lower()
    if not before.status < 300 or not ("range" in allowed or allowed == "*"):
        return broken(
            f"the question before a range request is answered {before.status},"
            f" Access-Control-Allow-Headers: {allowed or 'missing'}",
            CORS_FIX,
        )
    return ok(f"pages of {visit.url} may read it, ranges too")


def _may_read(answer: Answer, origin: str) -> bool:
    return answer.headers.get("Access-Control-Allow-Origin") in ("*", origin)


async def _range(visit: Visit) -> Finding:
    newest = await visit.newest()
    last = min(newest.piece_size, newest.size) - 1
    answer = await visit.get(newest.url, {"Origin": visit.url, "Range": f"bytes=0-{last}"})
    span = answer.headers.get("Content-Range", "missing")
    if answer.status != 206 or span != f"bytes 0-{last}/{newest.size}":
        return broken(
            f"bytes=0-{last} was answered with {answer.status}, Content-Range: {span}",
            "every viewer would fetch whole segments: what stands before the store?",
        )
    if base64.b64encode(hashlib.sha256(answer.body).digest()).decode() != newest.pieces[0]:
        return broken("the bytes are not the first piece's", "what stands before the store?")
    return ok(f"206, the first piece ({last + 1} bytes) has its hash")


async def _oldest(visit: Visit) -> Finding:
    # the very first may leave the window, and the store, while it is asked for
    oldest = (await visit.descriptors())[:2][-1]
    answer = await visit.get(oldest.url, {"Range": "bytes=0-0"})
    if answer.status not in (200, 206):
        return broken(
            f"{oldest.url} answered {answer.status}",
            "a lifecycle rule, or somebody, deletes too early: see the bucket's rules",
        )
    return ok(f"{oldest.name} is still there")


async def _missing(visit: Visit) -> Finding:
    newest = await visit.newest()
    url = f"{newest.url.rpartition('/')[0]}/stream-none{secrets.token_hex(6)}-0.ts"
    first = await visit.get(url)
    second = await visit.get(url)
    control = second.headers.get("Cache-Control", "")
    fix = (
        "a segment that was asked for too early would stay away: edge TTL must be `use"
        " cache-control if present, bypass if not` (docs/deploy.md)"
    )
    if first.status < 400:
        return broken(f"{url}, which does not exist, answered {first.status}", DOMAIN_FIX)
    if second.cached or int(second.headers.get("Age", "0")) > 0:
        return broken(f"the second {second.status} comes from the cache", fix)
    if "max-age=" in control and "max-age=0" not in control:
        return broken(f"a {second.status} says Cache-Control: {control}", fix)
    return ok(f"{second.status}, and nobody keeps it")


async def _elsewhere(visit: Visit) -> Finding:
    url = URL((await visit.newest()).url)
    if (url.host or "").endswith(".r2.dev"):
        return warning(
            f"{url.host} is R2's address for trials: it is slow on purpose, and not cached",
            "give the bucket a custom domain: `pulumi up` does",
        )
    return ok(str(url.origin()))


CHECKS = (
    Check("segment", "it is what viewers play", _segment),
    Check("segment type", "players refuse what is not called video", _type),
    Check("segment caching", "without it every request is R2's, and is paid", _caching),
    Check("segment CORS", "browsers hide from the page what it may not read", _cors),
    Check("segment ranges", "each viewer fetches only its slice", _range),
    Check("oldest segment", "what the playlist names must be there", _oldest),
    Check("missing segment", "a cached 404 outlives the segment's coming", _missing),
    Check("store address", "R2's address for trials is limited", _elsewhere),
)

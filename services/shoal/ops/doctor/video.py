"""The playlist: ours, deep, fresh, going on, and leading past the EC2 host."""

import asyncio
import time

import msgspec
from yarl import URL

from shoal.broadcaster.hls import parse_segment_name
from shoal.ops.doctor.check import Finding, broken, ok, skipped, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import PLAYLIST_PATH, Answer, Visit, is_loopback
from shoal.segments import MAX_PIECES, SegmentList
from shoal.web import is_video

WINDOW = 60
MAX_AGE_S = 5
"""a playlist that a cache keeps longer makes players wait, and then jump"""
ADVANCE_LIMIT_S = 26.0
ADVANCE_TARGET_DURATIONS = 2.5
ADVANCE_AT_LEAST_S = 6.0
LOOK_S = 0.5
EC2_NAMES = (".amazonaws.com", ".compute.internal")

OFF_AIR_FIX = "push to RTMP; if somebody does: the broadcaster's /health says what is wrong"
LOG_FIX = "see the broadcaster's /health and log: `journalctl -u shoal-broadcaster`"


async def _playlist(visit: Visit) -> Finding:
    answer = await visit.playlist_answer()
    if answer.who != "broadcaster":
        return broken(
            f"{answer}: not the broadcaster's",
            f"`shoal routes --hostname {visit.hostname} --check {answer.url}`; `pulumi up`",
        )
    if answer.status == 404 and '"offline"' in answer.text:
        return warning("nothing has been broadcast yet", OFF_AIR_FIX)
    if answer.status != 200:
        return broken(f"{answer}: {answer.text[:200]}", LOG_FIX)
    playlist = await visit.media_playlist(answer)
    if not playlist.urls:
        return broken("the playlist names no segment", LOG_FIX)
    over = ", the stream is over" if playlist.ended else ""
    return ok(f"the broadcaster's, {playlist.entries} segments{over}")


async def _depth(visit: Visit) -> Finding:
    playlist, descriptors = await asyncio.gather(visit.playlist(), visit.descriptors())
    if playlist.entries >= WINDOW:
        return ok(f"{playlist.entries} segments")
    first, oldest = playlist.sequence, descriptors[0]
    name = parse_segment_name(oldest.name)
    # a playlist begins with the station, or with a stream that began after the last one's end
    before = 0 if name is None else name.index - (oldest.sequence - first)
    if oldest.sequence < first or (first > 0 and before > 0):
        return broken(
            f"only {playlist.entries} segments, though {first} came before them: viewers cannot go"
            " back, and have less to share",
            "is that playlist the broadcaster's? A cache before it, or Owncast's own list?",
        )
    return ok(f"all {playlist.entries} that were published")


async def _advancing(visit: Visit) -> Finding:
    before = await visit.playlist()
    if before.ended:
        return skipped("off air: the stream is over")
    wait_s = max(ADVANCE_AT_LEAST_S, ADVANCE_TARGET_DURATIONS * before.target_duration_s)
    deadline = time.monotonic() + min(wait_s, ADVANCE_LIMIT_S - 4)
    now = before
    while time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
        now = await visit.media_playlist(await visit.get(PLAYLIST_PATH))
        if now.sequence < before.sequence:
            return broken(
                f"EXT-X-MEDIA-SEQUENCE went back from {before.sequence} to {now.sequence}",
                "players stop at that: two broadcasters, or a cache that answers with old lists?",
            )
        if now.next_sequence > before.next_sequence:
            return ok(f"went on from {before.next_sequence} to {now.next_sequence}")
    age_s = None if now.newest_end is None else time.time() - now.newest_end
    since = "" if age_s is None else f", the newest ended {age_s:.0f} s ago"
    saw = f"no new segment within {wait_s:.0f} s{since}"
    if (await visit.station()).live is False:
        return warning(f"{saw}: off air, or Owncast has died", OFF_AIR_FIX)
    return broken(saw, LOG_FIX)


async def _fresh(visit: Visit) -> Finding:
    answer = await visit.playlist_answer()
    age, control = answer.headers.get("Age", "0"), answer.headers.get("Cache-Control", "")
    if answer.status != 200:
        control_ok = "no-store" in control
        saw = f"{answer.status}, Cache-Control: {control or 'missing'}"
        return ok(saw) if control_ok else broken(saw, "a cached error keeps viewers out")
    if age.isdigit() and int(age) > MAX_AGE_S:
        return broken(
            f"a cache answers with a list of {age} s ago",
            "the zone's cache rules must respect the origin's Cache-Control: `pulumi up` sets them",
        )
    if (max_age := max_age_of(control)) > MAX_AGE_S:
        return broken(
            f"Cache-Control: {control or 'missing'}: players get old lists",
            "the broadcaster says max-age=1: who changes it? Browser TTL must respect the origin",
        )
    return ok(f"max-age={max_age}, {answer.headers.get('CF-Cache-Status', 'no edge cache seen')}")


def max_age_of(control: str) -> int:
    """Return max-age in seconds; of a missing one what Cloudflare's browser TTL makes of it."""
    for part in control.replace(" ", "").lower().split(","):
        if part.startswith("max-age="):
            return int(part.removeprefix("max-age="))
    return 0 if "no-store" in control or "no-cache" in control else 4 * 3600


async def _past_ec2(visit: Visit) -> Finding:
    playlist, descriptors = await asyncio.gather(visit.playlist(), visit.descriptors())
    urls = {*playlist.urls, *(descriptor.url for descriptor in descriptors)}
    own = URL(visit.url).origin()
    for url in sorted(urls):
        if why := on_host(url, own):
            return broken(
                f"{url} {why}: viewers take video from EC2",
                "SHOAL_MEDIA_URL must be the bucket's public URL; is the playlist Owncast's?",
            )
    hosts = sorted({str(URL(url).origin()) for url in urls})
    return ok(f"{len(urls)} segments, all at {', '.join(hosts)}")


def on_host(url: str, own: URL) -> str | None:
    """Say why a segment's URL is the EC2 host's; None when it is not."""
    address = URL(url)
    host = address.host or ""
    if address.origin() == own:
        return "is the station's own host"
    if host.endswith(EC2_NAMES):
        return "is an address of EC2"
    if not is_loopback(host) and host.replace(".", "").isdigit():
        return "is a bare address, of no store"
    if "/hls/" in address.path:
        return "is Owncast's"
    return None


async def _redirect(visit: Visit) -> Finding:
    newest = await visit.newest()
    answer = await visit.get(f"/live/{newest.variant}/{newest.name}")
    if answer.status in (200, 206) or is_video("", answer.headers.get("Content-Type", "")):
        return broken(
            f"{answer.url} sends {len(answer.body)} bytes of video itself",
            "a segment on the station's host must be a redirect: is /live the broadcaster's?",
        )
    location = answer.headers.get("Location")
    if answer.status != 302 or location != newest.url:
        return broken(f"{answer}, to {location}: should lead to {newest.url}", LOG_FIX)
    return ok("302 to the store")


async def _descriptors(visit: Visit) -> Finding:
    answer = await visit.segments_answer()
    try:
        variants = msgspec.json.decode(answer.body, type=SegmentList).variants
    except msgspec.DecodeError as error:
        return broken(f"{answer}: {error}", "is /live the broadcaster's, of this version?")
    if not variants:
        return skipped("nothing has been broadcast yet")
    described = [d for variant in variants.values() for d in variant.segments]
    for d in described:
        if not 1 <= len(d.pieces) <= MAX_PIECES or len(d.pieces) != -(-d.size // d.piece_size):
            return broken(f"{d.name}: {len(d.pieces)} pieces for {d.size} bytes", LOG_FIX)
    return await _agree(visit, answer, {d.url for d in described})


async def _agree(visit: Visit, answer: Answer, described: set[str]) -> Finding:
    playlist = await visit.playlist()
    # the two were not asked at the same moment: the ends of the window may differ
    missing = [url for url in playlist.urls[2:-2] if url not in described]
    if missing:
        return broken(
            f"{answer.url} lacks {len(missing)} of {len(playlist.urls)} segments, as {missing[0]}:"
            " viewers cannot share what they cannot verify",
            LOG_FIX,
        )
    return ok(f"{len(described)} segments with the hashes of their pieces")


CHECKS = (
    Check("playlist", "it is what viewers play; Owncast's own would bypass everything", _playlist),
    Check("playlist depth", "60 segments let viewers go back and share", _depth),
    Check(
        "playlist advancing", "a station that stands still looks well", _advancing, ADVANCE_LIMIT_S
    ),
    Check("playlist caching", "an old list makes viewers stall", _fresh),
    Check("no video from EC2", "each byte from EC2 costs nine times a store's", _past_ec2),
    Check("segment redirect", "EC2 must send no video, even to who asks for it", _redirect),
    Check("descriptors", "without hashes viewers share nothing", _descriptors),
)

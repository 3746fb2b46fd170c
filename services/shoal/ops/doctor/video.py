"""The live playlist: Shoal's own, complete, fresh, advancing, and leading past the EC2 host."""

import asyncio
import time

import msgspec
from yarl import URL

from shoal.broadcaster.owncast_playlist import parse_segment_name
from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.probe_context import PLAYLIST_PATH, ProbeContext, Response, is_loopback
from shoal.segments import MAX_PIECES, SegmentList
from shoal.web import is_video

WINDOW = 60
MAX_AGE_S = 5
"""a playlist that a cache keeps for longer makes players wait, and then jump"""
ADVANCE_TIMEOUT_S = 26.0
ADVANCE_TARGET_DURATIONS = 2.5
MIN_ADVANCE_S = 6.0
POLL_INTERVAL_S = 0.5
EC2_DOMAINS = (".amazonaws.com", ".compute.internal")

OFF_AIR_FIX = (
    "stream to Owncast over RTMP; if someone already does, the broadcaster's /health says what is"
    " wrong"
)
LOG_FIX = "read the broadcaster's /health and log: `journalctl -u shoal-broadcaster`"


async def _check_playlist(context: ProbeContext) -> Finding:
    response = await context.playlist_response()
    if response.service != "broadcaster":
        return broken(
            f"{response}: not the broadcaster's",
            f"`shoal routes --hostname {context.hostname} --check {response.url}` shows which rule"
            " should match; `pulumi up` restores the rules",
        )
    if response.status == 404 and '"offline"' in response.text:
        return warning("nothing has been broadcast yet", OFF_AIR_FIX)
    if response.status != 200:
        return broken(f"{response}: {response.text[:200]}", LOG_FIX)
    playlist = await context.media_playlist(response)
    if not playlist.urls:
        return broken("the playlist names no segment", LOG_FIX)
    ended = ", the stream has ended" if playlist.ended else ""
    return ok(f"the broadcaster's, {playlist.entries} segments{ended}")


async def _check_depth(context: ProbeContext) -> Finding:
    playlist, descriptors = await asyncio.gather(context.playlist(), context.descriptors())
    if playlist.entries >= WINDOW:
        return ok(f"{playlist.entries} segments")
    first, oldest = playlist.sequence, descriptors[0]
    name = parse_segment_name(oldest.name)
    # a playlist begins with the station, or with a stream that began after the last one ended
    before = 0 if name is None else name.index - (oldest.sequence - first)
    if oldest.sequence < first or (first > 0 and before > 0):
        return broken(
            f"only {playlist.entries} segments, although {first} came before them: viewers cannot"
            " rewind, and have less to share",
            "check whether this playlist is the broadcaster's, or an old one from a cache, or"
            " Owncast's own",
        )
    return ok(f"all {playlist.entries} that have been published")


async def _check_advancing(context: ProbeContext) -> Finding:
    before = await context.playlist()
    if before.ended:
        return skipped("off air: the stream has ended")
    wait_s = max(MIN_ADVANCE_S, ADVANCE_TARGET_DURATIONS * before.target_duration_s)
    deadline = time.monotonic() + min(wait_s, ADVANCE_TIMEOUT_S - 4)
    now = before
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_INTERVAL_S)
        now = await context.media_playlist(await context.get(PLAYLIST_PATH))
        if now.sequence < before.sequence:
            return broken(
                f"EXT-X-MEDIA-SEQUENCE went back from {before.sequence} to {now.sequence}",
                "players stop at that: check for a second broadcaster, and for a cache that serves"
                " old playlists",
            )
        if now.next_sequence > before.next_sequence:
            return ok(f"advanced from {before.next_sequence} to {now.next_sequence}")
    age_s = None if now.newest_end is None else time.time() - now.newest_end
    newest = "" if age_s is None else f"; the newest ended {age_s:.0f} s ago"
    saw = f"no new segment within {wait_s:.0f} s{newest}"
    if (await context.station()).live is False:
        return warning(f"{saw}: off air, or Owncast has crashed", OFF_AIR_FIX)
    return broken(saw, LOG_FIX)


async def _check_caching(context: ProbeContext) -> Finding:
    response = await context.playlist_response()
    age, control = response.headers.get("Age", "0"), response.headers.get("Cache-Control", "")
    if response.status != 200:
        saw = f"{response.status}, Cache-Control: {control or 'missing'}"
        if "no-store" in control:
            return ok(saw)
        return broken(
            saw,
            "a cached error keeps viewers out: set the zone's cache rules to respect the origin's"
            " Cache-Control (`pulumi up`)",
        )
    if age.isdigit() and int(age) > MAX_AGE_S:
        return broken(
            f"a cache serves a playlist that is {age} s old",
            "set the zone's cache rules to respect the origin's Cache-Control (`pulumi up`)",
        )
    if (max_age := max_age_of(control)) > MAX_AGE_S:
        return broken(
            f"Cache-Control: {control or 'missing'}: players get old playlists",
            "the broadcaster sends max-age=1: set the zone's browser TTL to respect the origin",
        )
    edge = response.headers.get("CF-Cache-Status", "no edge cache seen")
    return ok(f"max-age={max_age}, {edge}")


def max_age_of(control: str) -> int:
    """Return max-age in seconds; if it is missing, what Cloudflare's browser TTL makes of that."""
    for directive in control.replace(" ", "").lower().split(","):
        if directive.startswith("max-age="):
            return int(directive.removeprefix("max-age="))
    return 0 if "no-store" in control or "no-cache" in control else 4 * 3600


async def _check_no_ec2_video(context: ProbeContext) -> Finding:
    playlist, descriptors = await asyncio.gather(context.playlist(), context.descriptors())
    urls = {*playlist.urls, *(descriptor.url for descriptor in descriptors)}
    station = URL(context.url).origin()
    for url in sorted(urls):
        if reason := why_ec2(url, station):
            return broken(
                f"{url} {reason}: viewers take video from EC2",
                "set SHOAL_MEDIA_URL to the bucket's public URL, and check that the playlist is"
                " not Owncast's",
            )
    hosts = sorted({str(URL(url).origin()) for url in urls})
    return ok(f"{len(urls)} segments, all at {', '.join(hosts)}")


def why_ec2(url: str, station: URL) -> str | None:
    """Return why a segment's URL leads to the EC2 host; None if it does not."""
    address = URL(url)
    host = address.host or ""
    if address.origin() == station:
        return "is on the station's own host"
    if host.endswith(EC2_DOMAINS):
        return "is an address of EC2"
    if not is_loopback(host) and host.replace(".", "").isdigit():
        return "is a bare IP address, not a store"
    if "/hls/" in address.path:
        return "is Owncast's"
    return None


async def _check_redirect(context: ProbeContext) -> Finding:
    newest = await context.newest()
    response = await context.get(f"/live/{newest.variant}/{newest.name}")
    if response.status in (200, 206) or is_video("", response.headers.get("Content-Type", "")):
        return broken(
            f"{response.url} sends {len(response.body)} bytes of video itself",
            "the station's host must redirect requests for segments: check that /live leads to the"
            " broadcaster",
        )
    location = response.headers.get("Location")
    if response.status != 302 or location != newest.url:
        return broken(f"{response}, to {location}: should lead to {newest.url}", LOG_FIX)
    return ok("302 to the store")


async def _check_descriptors(context: ProbeContext) -> Finding:
    response = await context.segments_response()
    try:
        variants = msgspec.json.decode(response.body, type=SegmentList).variants
    except msgspec.DecodeError as error:
        return broken(
            f"{response}: {error}", "check that /live leads to the broadcaster, in this version"
        )
    if not variants:
        return skipped("nothing has been broadcast yet")
    descriptors = [d for variant in variants.values() for d in variant.segments]
    for d in descriptors:
        if not 1 <= len(d.pieces) <= MAX_PIECES or len(d.pieces) != -(-d.size // d.piece_size):
            return broken(f"{d.name}: {len(d.pieces)} pieces for {d.size} bytes", LOG_FIX)
    return await _compare_with_playlist(context, response, {d.url for d in descriptors})


async def _compare_with_playlist(
    context: ProbeContext, response: Response, described: set[str]
) -> Finding:
    playlist = await context.playlist()
    # the two were not requested at the same moment: the ends of the window may differ
    missing = [url for url in playlist.urls[2:-2] if url not in described]
    if missing:
        return broken(
            f"{response.url} lacks {len(missing)} of {len(playlist.urls)} segments, such as"
            f" {missing[0]}: viewers cannot share what they cannot verify",
            LOG_FIX,
        )
    return ok(f"{len(described)} segments with the hashes of their pieces")


CHECKS = (
    Check(
        "playlist",
        "it is what viewers play; Owncast's own would bypass everything",
        _check_playlist,
    ),
    Check("playlist depth", "60 segments let viewers rewind and share", _check_depth),
    Check(
        "playlist advancing",
        "a station that stands still looks healthy",
        _check_advancing,
        ADVANCE_TIMEOUT_S,
    ),
    Check("playlist caching", "an old playlist makes viewers stall", _check_caching),
    Check(
        "no video from EC2",
        "a byte from EC2 costs nine times one from a store",
        _check_no_ec2_video,
    ),
    Check("segment redirect", "EC2 must send no video, even when asked for it", _check_redirect),
    Check("descriptors", "without hashes viewers cannot share", _check_descriptors),
)

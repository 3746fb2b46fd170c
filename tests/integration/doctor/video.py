"""Wrong playlists, and a store that browsers cannot use."""

import json
import re
from typing import Any

from aiohttp import web

from tests.integration.doctor.cases import Case, edit, fault_at, header
from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation

SEGMENT = "/shoal/live/0/"


def shallow(reply: Reply) -> None:
    """Shorten the playlist to three segments, as Owncast's has."""
    text = reply.body.decode()
    sequence = int(re.findall(r"MEDIA-SEQUENCE:(\d+)", text)[0])
    head, *segments = text.split("#EXT-X-PROGRAM-DATE-TIME")
    kept = segments[-3:]
    head = head.replace(f"SEQUENCE:{sequence}", f"SEQUENCE:{sequence + len(segments) - 3}", 1)
    reply.body = "#EXT-X-PROGRAM-DATE-TIME".join([head, *kept]).encode()


def going_back(_faulty: FaultyStation) -> Fault:
    """Return a fault: a second, newer broadcaster answers after the first request."""
    asked = iter(range(1_000_000))

    def edited(request: web.Request, reply: Reply) -> None:
        if request.path == "/live/playlist.m3u8":
            new = 1000 if next(asked) == 0 else 2
            found = re.sub(rb"MEDIA-SEQUENCE:\d+", b"MEDIA-SEQUENCE:%d" % new, reply.body, count=1)
            reply.body = found

    return Fault(edit=edited)


def through_ec2(faulty: FaultyStation) -> Fault:
    """Return a fault: the playlist names segments on the station's own host."""

    def edited(request: web.Request, reply: Reply) -> None:
        if request.path.startswith("/live/"):
            reply.swap(f"{faulty.store.url}/shoal", faulty.front.url)

    return Fault(edit=edited)


def serving_video(faulty: FaultyStation) -> Fault:
    """Return a fault: the station's host sends segments itself."""

    def edited(request: web.Request, reply: Reply) -> None:
        if request.path.endswith(".ts"):
            reply.status, reply.body = 200, b"G" * 188
            reply.headers["Content-Type"] = "video/mp2t"

    return Fault(edit=edited)


def few_hashes(reply: Reply) -> None:
    """Remove most of the playlist's segments from the descriptors."""
    listed: dict[str, Any] = json.loads(reply.body)
    for variant in listed["variants"].values():
        variant["segments"] = variant["segments"][-1:]
    reply.body = json.dumps(listed).encode()


def changed_bytes(reply: Reply) -> None:
    reply.body = reply.body[:-1] + bytes([reply.body[-1] ^ 1]) if reply.body else b""


def missing(reply: Reply) -> None:
    reply.status, reply.body = 404, b""


def no_ranges(_faulty: FaultyStation) -> Fault:
    """Return a fault: a proxy in front of the store answers a range with the whole body."""

    def edited(request: web.Request, reply: Reply) -> None:
        if "Range" in request.headers and SEGMENT in request.path:
            reply.status = 200
            reply.headers.popall("Content-Range", None)

    return Fault(edit=edited)


def oldest_gone(faulty: FaultyStation) -> Fault:
    """Return a fault: all segments but the newest are deleted too early."""
    kept = {segment["name"] for segment in faulty.station.descriptors()[-2:]}

    def edited(request: web.Request, reply: Reply) -> None:
        name = request.path.rpartition("/")[2]
        index = int(re.findall(r"-(\d+)\.ts$", name)[0])
        if index < min(int(re.findall(r"-(\d+)\.ts$", other)[0]) for other in kept):
            missing(reply)

    return Fault(edit=edited)


def cached_404(request: web.Request, reply: Reply) -> None:
    if reply.status == 404:
        reply.headers["CF-Cache-Status"] = "HIT"


VIDEO = (
    Case(
        "Owncast's playlist at Shoal's address",
        "playlist",
        "not the broadcaster's",
        edit("front", "/live/playlist.m3u8", header("X-Shoal", None)),
    ),
    Case(
        "a short playlist",
        "playlist depth",
        "only 3 segments, although",
        edit("front", "/live/playlist", shallow),
    ),
    Case(
        "the media sequence goes back",
        "playlist advancing",
        "went back",
        fault_at("front", going_back),
    ),
    Case(
        "segments on the EC2 host", "no video from EC2", "own host", fault_at("front", through_ec2)
    ),
    Case(
        "EC2 sends video",
        "segment redirect",
        "188 bytes of video",
        fault_at("front", serving_video),
    ),
    Case("hashes are missing", "descriptors", "lacks", edit("front", "segments.json", few_hashes)),
    Case("changed bytes", "segment", "with SHA-256", edit("store", SEGMENT, changed_bytes)),
    Case("no segments in the store", "segment", "answered 404", edit("store", SEGMENT, missing)),
    Case(
        "a segment labeled as text",
        "segment type",
        "text/plain",
        edit("store", SEGMENT, header("Content-Type", "text/plain")),
    ),
    Case(
        "segments that no cache keeps",
        "segment caching",
        "no-cache",
        edit("store", SEGMENT, header("Cache-Control", "no-cache")),
    ),
    Case(
        "no CORS",
        "segment CORS",
        "missing",
        edit("store", SEGMENT, header("Access-Control-Allow-Origin", None)),
    ),
    Case("no ranges", "segment ranges", "answered with 200", fault_at("store", no_ranges)),
    Case("deleted too early", "oldest segment", "answered 404", fault_at("store", oldest_gone)),
    Case(
        "a 404 stays in the cache",
        "missing segment",
        "comes from the cache",
        fault_at("store", lambda _faulty: Fault(edit=cached_404)),
    ),
)

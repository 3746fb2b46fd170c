"""What checks make of responses: responses go in, findings come out."""

from collections.abc import Mapping
from typing import cast

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from shoal.ops.doctor import dns_tls_checks, host_checks, page, routing, video
from shoal.ops.doctor.check import Check
from shoal.ops.doctor.playlists import Playlist
from shoal.ops.doctor.probe_context import CannotCheckError, ProbeContext, Response
from shoal.segments import Descriptor

STATION = "https://tv.example.org"


class Answering(ProbeContext):
    """A station that answers every request alike."""

    def __init__(self, status: int, headers: dict[str, str], body: str = "") -> None:
        super().__init__(STATION, cast(aiohttp.ClientSession, None), None)
        self._response = (status, CIMultiDictProxy(CIMultiDict(headers)), body.encode())

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        return Response(url, *self._response)


def check(group: tuple[Check, ...], name: str) -> Check:
    return next(check for check in group if check.name == name)


@pytest.mark.parametrize(
    ("status", "headers", "state"),
    [
        (403, {}, "ok"),
        (302, {"Location": "https://team.cloudflareaccess.com/cdn-cgi/access/login"}, "ok"),
        (302, {"Location": "https://tv.example.org/hls/0/stream.m3u8"}, "broken"),
        (404, {"X-Shoal": "site"}, "warning"),
        (404, {}, "broken"),
        (200, {}, "broken"),
        (502, {}, "broken"),
    ],
)
async def test_a_path_is_closed_by_access_or_by_the_tunnel(
    status: int, headers: dict[str, str], state: str
) -> None:
    found = await check(routing.CHECKS, "/hls closed").probe(Answering(status, headers))
    assert found.state == state


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://tv.example.org/live/0/stream-a-1.ts", "own host"),
        ("https://ec2-1-2-3-4.compute-1.amazonaws.com/x.ts", "of EC2"),
        ("http://203.0.113.7/live/0/stream-a-1.ts", "bare IP address"),
        ("https://other.example.org/hls/0/stream-a-1.ts", "Owncast's"),
        ("https://tv-media.example.org/live/0/stream-a-1.ts", None),
        ("http://127.0.0.1:8333/shoal/live/0/stream-a-1.ts", None),
    ],
)
def test_the_url_of_a_segment_tells_that_it_is_on_the_ec2_host(url: str, why: str | None) -> None:
    found = video.why_ec2(url, URL(STATION).origin())
    assert found is None if why is None else why in (found or "")


@pytest.mark.parametrize(
    ("control", "seconds"),
    [("public, max-age=1", 1), ("no-store", 0), ("max-age=14400", 14400), ("", 14400)],
)
def test_how_long_a_cache_keeps_a_playlist(control: str, seconds: int) -> None:
    assert video.max_age_of(control) == seconds


@pytest.mark.parametrize(
    ("body", "headers", "state"),
    [
        ("<html>", {"CF-Ray": "1"}, "ok"),
        ("<html>", {}, "skipped"),
        ("<script src=/cdn-cgi/scripts/rocket-loader.min.js>", {"CF-Ray": "1"}, "broken"),
        ("<script src=/cdn-cgi/scripts/email-decode.min.js>", {"CF-Ray": "1"}, "warning"),
        ("<script src=https://static.cloudflareinsights.com/b.js>", {"CF-Ray": "1"}, "warning"),
        ("Just a moment", {"CF-Ray": "1", "CF-Mitigated": "challenge"}, "broken"),
    ],
)
async def test_what_cloudflare_adds_to_a_page_is_noticed(
    body: str, headers: dict[str, str], state: str
) -> None:
    found = await check(page.CHECKS, "edge features").probe(Answering(200, headers, body))
    assert found.state == state


@pytest.mark.parametrize(
    ("viewers", "share", "state"),
    [(0, "null", "skipped"), (5, "null", "skipped"), (5, "0.05", "warning"), (5, "0.8", "ok")],
)
async def test_few_bytes_from_peers_are_a_warning(viewers: int, share: str, state: str) -> None:
    body = f'{{"live": true, "viewers": {viewers}, "share": {share}}}'
    found = await check(page.CHECKS, "sharing").probe(Answering(200, {}, body))
    assert found.state == state


async def test_public_http_is_broken() -> None:
    context = Answering(200, {})
    context.url = "http://tv.example.org"
    found = await check(dns_tls_checks.CHECKS, "certificate").probe(context)
    assert found.state == "broken"


async def test_checks_of_the_host_cannot_run_elsewhere() -> None:
    with pytest.raises(CannotCheckError, match="on the station's host only"):
        await check(host_checks.CHECKS, "disk").probe(Answering(200, {}))


@pytest.mark.parametrize(
    ("free", "state"), [(10_000_000, "broken"), (400_000_000, "warning"), (10**10, "ok")]
)
def test_free_space_on_a_disk(free: int, state: str) -> None:
    assert host_checks.judge_free_space("/", free, 20 * 10**9).state == state


def descriptor(sequence: int, k: int) -> Descriptor:
    return Descriptor(
        variant=0,
        sequence=sequence,
        name=f"stream-abc-{k}.ts",
        url=f"https://tv-media.example.org/live/0/stream-abc-{k}.ts",
        size=1,
        duration=5.0,
        program_date_time="",
        discontinuity=False,
        sha256="",
        piece_size=16384,
        pieces=("",),
    )


class Publishing(Answering):
    """A station whose playlist has `entries` from `sequence` on, the oldest with index `k`."""

    def __init__(self, sequence: int, entries: int, k: int, described: int | None = None) -> None:
        super().__init__(200, {})
        self._playlist = Playlist(5, sequence, (), entries, None, False)
        self._oldest = descriptor(sequence if described is None else described, k)

    async def playlist(self) -> Playlist:
        return self._playlist

    async def descriptors(self) -> tuple[Descriptor, ...]:
        return (self._oldest,)


@pytest.mark.parametrize(
    ("sequence", "entries", "k", "described", "state"),
    [
        (0, 3, 0, 0, "ok"),  # the station has just begun
        (0, 3, 400, 0, "ok"),  # and found Owncast in the middle of a stream
        (4000, 60, 700, 4000, "ok"),
        (4000, 3, 0, 4000, "ok"),  # a new stream after the end of another
        (4000, 3, 1, 4001, "ok"),  # whose first segment is a gap
        (4000, 3, 700, 4000, "broken"),
        (4000, 3, 640, 3940, "broken"),  # more was published than the playlist names
    ],
)
async def test_a_playlist_has_the_whole_window_or_all_that_was_published(
    sequence: int, entries: int, k: int, described: int, state: str
) -> None:
    context = Publishing(sequence, entries, k, described)
    assert (await check(video.CHECKS, "playlist depth").probe(context)).state == state


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (404, "ok"), (530, "broken")])
async def test_a_tunnel_that_is_down_breaks_the_connection(status: int, state: str) -> None:
    found = await check(dns_tls_checks.CHECKS, "connection").probe(Answering(status, {}))
    assert found.state == state

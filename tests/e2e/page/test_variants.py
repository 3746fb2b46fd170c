"""Two variants: their playlists agree, and viewers of the same one share it."""

import urllib.parse

import m3u8
from playwright.sync_api import Browser

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.support.p2pml import assert_shared
from tests.support.station import Station, fetch, wait_for
from tests.support.viewers import Viewer


def media_playlists(running: Station) -> list[m3u8.M3U8]:
    url = running.local["playlist"]
    multivariant = m3u8.loads(fetch(url).decode())
    assert multivariant.is_variant
    infos = [playlist.stream_info for playlist in multivariant.playlists]
    assert [info.resolution for info in infos] == [(640, 360), (320, 180)]
    best, small = (info.bandwidth or 0 for info in infos)
    assert best > small > 0
    for info in infos:
        video, sound = (info.codecs or "").split(",")
        assert video.startswith("avc1."), info
        assert sound.startswith("mp4a."), info
    uris = [urllib.parse.urljoin(url, playlist.uri or "") for playlist in multivariant.playlists]
    return [m3u8.loads(fetch(uri).decode()) for uri in uris]


def starts(playlist: m3u8.M3U8) -> dict[int, float]:
    """Return when each media sequence number starts, as a Unix time."""
    first = playlist.media_sequence or 0
    times = [segment.program_date_time for segment in playlist.segments]
    return {first + n: time.timestamp() for n, time in enumerate(times) if time is not None}


def test_two_variants_are_played_and_shared(browser: Browser, running: Station) -> None:
    viewers = [Viewer(browser, running.local["watch"]) for _ in range(2)]
    for viewer in viewers:
        viewer.wait("s.ready && s.peers === 1 && s.playing", 45)
    for viewer in viewers:
        viewer.wait("s.bytes.p2p - s.startup.p2p > 0 && s.position_s > 4", 30)

    def aligned() -> bool:
        best, small = (starts(playlist) for playlist in media_playlists(running))
        common = best.keys() & small.keys()
        assert all(abs(best[n] - small[n]) < 0.5 for n in common), (best, small)
        return len(common) >= 4

    wait_for("segments of both variants", aligned)
    for viewer in viewers:
        assert viewer.errors() == []
        assert viewer.stats()["segments"]["bad_pieces"] == 0
    assert running.origin_video_bytes() == 0
    assert running.report()["bytes"]["ec2_video"] == 0


def test_p2p_media_loader_has_a_swarm_for_each_variant(browser: Browser, running: Station) -> None:
    playlist = fetch(running.local["playlist"]).decode()
    assert "#EXT-X-STREAM-INF" in playlist
    assert_shared(browser, running, 2, info_hashes(SWARM_ID, playlist) - info_hashes(SWARM_ID))

"""Our tracker serves a player that others wrote: p2p-media-loader, on /p2pml."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.support.station import Station, fetch, station, wait_for
from tests.support.viewers import Viewer, chromium

QUICK = ("--bitrate", "400", "--segment-seconds", "2")

POISON = """
const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  const bytes = new Uint8Array(data).slice();
  // what the library says to its peers is shorter
  if (bytes.length > 10000) bytes[5000] ^= 1;
  send.call(this, bytes);
};
"""


def announced(viewer: Viewer) -> set[str]:
    """The swarms that a page announced itself in."""
    messages = [json.loads(frame) for frame in viewer.sent]
    return {message["info_hash"] for message in messages if message["action"] == "announce"}


def total(all_stats: Sequence[Mapping[str, Any]], source: str) -> int:
    """Bytes that all pages together have from a source."""
    return sum(stats[source] for stats in all_stats)


def came(viewers: Sequence[Viewer], source: str) -> int:
    """The same, a moment later, in which the pages' events are handled."""
    viewers[0].page.wait_for_timeout(200)
    return total([viewer.stats() for viewer in viewers], source)


def watch(running: Station, count: int, swarms: frozenset[str]) -> None:
    gateway = running.local["gateway"]
    with chromium() as browser:
        viewers = [Viewer(browser, f"{gateway}/p2pml", hook="p2pml") for _ in range(count)]
        for viewer in viewers:
            viewer.wait(f"s.playing && s.peers >= {count - 1}")
        before = [viewer.stats() for viewer in viewers]
        # who fetches first may go on doing so for everybody: chance, as the library does it
        wait_for("segments from peers", lambda: came(viewers, "p2p") > total(before, "p2p"), 60)
        after = [viewer.stats() for viewer in viewers]
        assert total(after, "http") > 0

        assert sum(stats["uploaded"] for stats in after) > 0
        assert all(stats["playing"] and stats["latency_s"] > 0 for stats in after)
        assert [(stats["stalls"], stats["refused"]) for stats in after] == [(0, 0)] * count
        own = {urlsplit(url).netloc for url in (gateway, running.local["store"])}
        for viewer in viewers:
            assert viewer.errors() == []
            assert {urlsplit(url).netloc for url in viewer.requests + viewer.sockets} == own
            assert [urlsplit(url).path for url in viewer.sockets] == ["/ws"]
            assert announced(viewer) <= swarms
            # the watch page's code is not here
            assert viewer.page.evaluate("() => window.shoal === undefined")
        assert set[str]().union(*map(announced, viewers))
        assert running.origin_video_bytes() == 0


def meet_a_poisoner(running: Station) -> None:
    url = f"{running.local['gateway']}/p2pml"
    with chromium() as browser:
        poisoner = Viewer(browser, url, hook="p2pml", script=POISON)
        poisoner.wait("s.playing")
        viewer = Viewer(browser, url, hook="p2pml")
        viewer.wait("s.playing && s.refused > 0")
        running.wait_published(running.published() + 2)
        stats = viewer.stats()
        assert stats["playing"]
        assert stats["stalls"] == 0
        assert poisoner.stats()["refused"] == 0


def test_three_viewers_share_and_refuse_false_segments(tmp_path: Path) -> None:
    with station(tmp_path / "data", *QUICK) as running:
        watch(running, 3, info_hashes(SWARM_ID))
        meet_a_poisoner(running)


def test_each_rendition_has_its_swarm(tmp_path: Path) -> None:
    with station(tmp_path / "data", *QUICK, "--renditions", "2") as running:
        running.wait_published(4)
        playlist = fetch(running.local["playlist"]).decode()
        assert "#EXT-X-STREAM-INF" in playlist
        watch(running, 2, info_hashes(SWARM_ID, playlist) - info_hashes(SWARM_ID))

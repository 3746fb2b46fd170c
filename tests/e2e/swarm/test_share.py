"""Three viewers of a local station: peers send most of the video, the station's host none."""

import re

from playwright.sync_api import Browser

from tests.support.station import Station, wait_for
from tests.support.viewers import Viewer, received

MEASURED_SEGMENTS = 8
SEGMENT_S = 2


def test_three_viewers_share_what_one_has_fetched(browser: Browser, running: Station) -> None:
    viewers = [Viewer(browser, running.local["watch"]) for _ in range(3)]
    for viewer in viewers:
        viewer.wait("s.ready && s.peers === 2 && s.playing", 45)
    # skip the viewers' start-up
    running.wait_published(running.published() + 2)
    before = [viewer.stats() for viewer in viewers]
    running.wait_published(running.published() + MEASURED_SEGMENTS, 90)
    for viewer, first in zip(viewers, before, strict=True):
        viewer.wait(f"s.segments.complete >= {first['segments']['complete'] + 6}")
    after = [viewer.stats() for viewer in viewers]

    total = {"p2p": 0, "store": 0, "seed": 0}
    for one, two in zip(before, after, strict=True):
        for source, count in received(one, two).items():
            total[source] += count
    share = total["p2p"] / sum(total.values())
    assert share >= 0.60, total

    for one, two in zip(before, after, strict=True):
        assert two["stalls"] == one["stalls"]
        assert two["position_s"] > one["position_s"] + (MEASURED_SEGMENTS - 3) * SEGMENT_S
        assert two["segments"]["bad_pieces"] == 0
        assert two["playing"]

    playlist = running.playlist()
    store = running.local["store"]
    assert playlist.segments
    assert all((segment.uri or "").startswith(store) for segment in playlist.segments)
    for viewer in viewers:
        assert viewer.errors() == []
        assert not [url for url in viewer.requests if ".ts" in url and not url.startswith(store)]
        assert any("🤝 Peer connected (Total: 2)" in line for line in viewer.console)
        assert any("💰 CDN Offload" in line for line in viewer.console)

    assert running.origin_video_bytes() == 0
    report = running.report()
    assert report["bytes"]["ec2_video"] == 0
    assert report["viewers"] == 3
    assert running.health()["room_peers"] == 3
    broadcaster_log = running.log("broadcaster")
    assert re.search(r"👥 New peer connected to stream-\S+\.ts \(total: 3\)", broadcaster_log)
    assert re.search(r"⬆️ Uploaded \d+\.\d KB via P2P to 3 peers", broadcaster_log)
    # after tests that kill services, wait for the canary, which runs once a minute
    wait_for("the broadcaster is healthy", lambda: running.health()["status"] == "ok", 75)

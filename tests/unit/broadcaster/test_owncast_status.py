from pathlib import Path

import msgspec

from shoal.broadcaster.health_monitor import Inspection
from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.owncast_status import BYPASS_AFTER_S, Owncast, Status
from shoal.local.owncast import VIEWER_GONE_S, Audience
from shoal.problems import Problems


def test_viewers_of_owncasts_own_playlist_are_a_bypass() -> None:
    owncast = Owncast("http://localhost:8080")
    owncast.heard(Status(online=True, viewerCount=3), 0)
    assert owncast.bypass(BYPASS_AFTER_S - 1) is None
    owncast.heard(Status(online=True, viewerCount=2), 15)
    said = owncast.bypass(BYPASS_AFTER_S)
    assert said is not None
    assert said.startswith("2 viewers load Owncast's own playlist")
    owncast.heard(msgspec.json.decode(b'{"online":true}', type=Status), 21)
    assert owncast.bypass(100) is None


def test_one_request_is_no_bypass() -> None:
    owncast = Owncast("http://localhost:8080")
    for now, count in ((0, 0), (5, 1), (10, 1), (15, 1), (20, 0), (25, 1), (30, 0)):
        owncast.heard(Status(viewerCount=count), now)
        assert owncast.bypass(now + 4.9) is None


def test_online_and_no_segments_is_said_though_the_folder_is_empty(tmp_path: Path) -> None:
    problems, owncast = Problems(), Owncast("http://localhost:8080")
    inspection = Inspection(problems, Folder(tmp_path), owncast)
    inspection.silence(100, None, 15, storing=True)
    owncast.heard(Status(online=True), 100)
    inspection.silence(101, None, 15, storing=True)
    assert problems.status == "ok"
    inspection.silence(117, None, 15, storing=False)  # the store's own problem says why
    assert problems.status == "ok"
    inspection.silence(117, None, 15, storing=True)
    assert problems.status == "failing"
    assert f"is {tmp_path} the folder that Owncast writes?" in problems.standing()[0].message
    owncast.heard(Status(online=False), 118)
    inspection.silence(118, None, 15, storing=True)
    assert problems.status == "ok"


def test_the_stand_in_counts_viewers_as_owncast_does() -> None:
    audience = Audience()
    audience.seen(("10.0.0.1", "Firefox"), 0)
    audience.seen(("10.0.0.1", "Firefox"), 4)
    audience.seen(("10.0.0.1", "Chromium"), 4)
    assert audience.count(4) == 2
    audience.seen(("10.0.0.1", "Firefox"), 8)
    assert audience.count(4 + VIEWER_GONE_S + 1) == 1
    assert audience.count(99) == 0

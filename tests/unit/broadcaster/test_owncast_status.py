from pathlib import Path

import msgspec

from shoal.broadcaster.health_monitor import HealthMonitor
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.owncast_status import BYPASS_AFTER_S, OwncastStatus, Status
from shoal.local.owncast import VIEWER_GONE_S, Audience
from shoal.problems import Problems


def test_viewers_of_owncasts_own_playlist_are_a_bypass() -> None:
    owncast = OwncastStatus("http://localhost:8080")
    owncast.update(Status(online=True, viewerCount=3), 0)
    assert owncast.bypass_problem(BYPASS_AFTER_S - 1) is None
    owncast.update(Status(online=True, viewerCount=2), 15)
    message = owncast.bypass_problem(BYPASS_AFTER_S)
    assert message is not None
    assert message.startswith("2 viewers load Owncast's own playlist")
    owncast.update(msgspec.json.decode(b'{"online":true}', type=Status), 21)
    assert owncast.bypass_problem(100) is None


def test_a_single_request_is_not_a_bypass() -> None:
    owncast = OwncastStatus("http://localhost:8080")
    for now, count in ((0, 0), (5, 1), (10, 1), (15, 1), (20, 0), (25, 1), (30, 0)):
        owncast.update(Status(viewerCount=count), now)
        assert owncast.bypass_problem(now + 4.9) is None


def test_online_without_segments_is_a_problem_even_if_the_folder_is_empty(tmp_path: Path) -> None:
    problems, owncast = Problems(), OwncastStatus("http://localhost:8080")
    monitor = HealthMonitor(problems, HlsWatcher(tmp_path), owncast)
    monitor.check_silence(100, None, 15, storing=True)
    owncast.update(Status(online=True), 100)
    monitor.check_silence(101, None, 15, storing=True)
    assert problems.status == "ok"
    monitor.check_silence(117, None, 15, storing=False)  # the store's own problem explains it
    assert problems.status == "ok"
    monitor.check_silence(117, None, 15, storing=True)
    assert problems.status == "failing"
    assert f"does Owncast write to {tmp_path}?" in problems.standing()[0].message
    owncast.update(Status(online=False), 118)
    monitor.check_silence(118, None, 15, storing=True)
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

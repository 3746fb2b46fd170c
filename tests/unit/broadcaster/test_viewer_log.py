from shoal.announcements import Audience
from shoal.broadcaster.viewer_log import ViewerLog

NAME = "stream-abc-7.ts"


def test_new_viewers_and_the_uploads_of_ten_seconds_are_logged() -> None:
    log = ViewerLog()
    assert log.lines(Audience(1), NAME, 0) == [f"👥 New peer connected to {NAME} (total: 1)"]
    assert log.lines(Audience(2, 2, 234_500), NAME, 1) == [
        f"👥 New peer connected to {NAME} (total: 2)",
        "⬆️ Uploaded 234.5 KB via P2P to 2 peers",
    ]
    assert log.lines(Audience(2, 2, 300_000), NAME, 5) == []
    assert log.lines(Audience(1, 1, 334_500), NAME, 11) == ["⬆️ Uploaded 100.0 KB via P2P to 1 peer"]
    assert log.lines(Audience(1, 1, 334_500), NAME, 30) == []


def test_a_restart_of_signaling_resets_the_count() -> None:
    log = ViewerLog()
    log.lines(Audience(0, 0, 500_000), NAME, 0)
    assert log.lines(Audience(0, 3, 1_000), NAME, 20) == ["⬆️ Uploaded 1.0 KB via P2P to 3 peers"]

from shoal.announcements import Audience
from shoal.broadcaster.viewer_log import RoomLines

NAME = "stream-abc-7.ts"


def test_each_new_viewer_and_what_viewers_sent_in_ten_seconds_is_a_line() -> None:
    lines = RoomLines()
    assert lines.said(Audience(1), NAME, 0) == [f"👥 New peer connected to {NAME} (total: 1)"]
    assert lines.said(Audience(2, 2, 234_500), NAME, 1) == [
        f"👥 New peer connected to {NAME} (total: 2)",
        "⬆️ Uploaded 234.5 KB via P2P to 2 peers",
    ]
    assert lines.said(Audience(2, 2, 300_000), NAME, 5) == []
    assert lines.said(Audience(1, 1, 334_500), NAME, 11) == [
        "⬆️ Uploaded 100.0 KB via P2P to 1 peer"
    ]
    assert lines.said(Audience(1, 1, 334_500), NAME, 30) == []


def test_a_restart_of_signaling_begins_the_count_anew() -> None:
    lines = RoomLines()
    lines.said(Audience(0, 0, 500_000), NAME, 0)
    assert lines.said(Audience(0, 3, 1_000), NAME, 20) == ["⬆️ Uploaded 1.0 KB via P2P to 3 peers"]

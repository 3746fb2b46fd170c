"""An RTMP push that is interrupted and comes back."""

from pathlib import Path

from tests.support.station import rtmp_push, station, wait_for
from tests.support.viewers import Viewer, chromium


def test_viewers_resume_by_themselves_when_the_push_comes_back(tmp_path: Path) -> None:
    options = ("--source", "rtmp", "--bitrate", "400", "--segment-seconds", "2")
    with station(tmp_path / "data", *options) as running, chromium() as browser:
        viewer = Viewer(browser, running.local["watch"])
        viewer.page.get_by_text("offline").first.wait_for(timeout=15_000)

        url = f"{running.local['rtmp']}/key"
        with rtmp_push(url):
            viewer.wait("s.playing && s.position_s > 0", 45)
            wait_for("live", lambda: running.health()["live"])
            running.wait_published(4)
        first_stream = running.descriptors()[-1]["name"].rpartition("-")[0]
        wait_for("offline", lambda: not running.health()["live"], 20)
        last = running.descriptors()[-1]["sequence"]

        with rtmp_push(url):
            wait_for("a new stream", lambda: running.descriptors()[-1]["sequence"] > last + 2, 45)
            segments = running.descriptors()
            new = next(s for s in segments if not s["name"].startswith(first_stream + "-"))
            assert new["sequence"] == last + 1
            assert new["discontinuity"]
            assert not [s for s in segments if "offline" in s["name"]]
            played = sum(s["duration"] for s in segments if s["sequence"] <= last)
            viewer.wait(f"s.playing && s.position_s > {played + 1}", 45)
        assert viewer.errors() == []
        assert running.origin_video_bytes() == 0

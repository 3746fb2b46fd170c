"""The health monitor reads stand-ins of the parts, and the real watcher and timeline."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from shoal.aio import Changes
from shoal.broadcaster.health import LOST_SHOWN_S, HealthMonitor
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.on_air import OnAir
from shoal.broadcaster.owncast_status import OwncastStatus, Status
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.timeline import Timeline
from shoal.problems import Problems
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry


class Parts:
    """A monitor and what it reads."""

    def __init__(self, folder: Path) -> None:
        self.problems = Problems()
        self.hls = folder / "hls"
        self.hls.mkdir()
        self.watcher = HlsWatcher(self.hls)
        self.owncast = OwncastStatus("http://localhost:8080")
        self.timeline = Timeline()
        self.changes = Changes()
        self.pipeline: Any = SimpleNamespace(published_at_s=None, lost=0, idle=True)
        self.uploader: Any = SimpleNamespace(fault=None, healthy=True)
        announcer: Any = SimpleNamespace(fault=None, room_peers=0, connected=True)
        self.on_air = OnAir(self.watcher, self.pipeline, self.timeline)
        self.monitor = HealthMonitor(
            problems=self.problems,
            watcher=self.watcher,
            owncast=self.owncast,
            timeline=self.timeline,
            state=StateFile(folder, self.problems),
            pipeline=self.pipeline,
            uploader=self.uploader,
            seed=None,
            on_air=self.on_air,
            announcer=announcer,
            end_grace_s=30,
            changes=self.changes,
        )

    def message(self, code: str) -> str | None:
        return next((p.message for p in self.problems.standing() if p.code == code), None)

    def list(self, *names: str) -> None:
        (self.hls / "0").mkdir(exist_ok=True)
        lines = "".join(f"#EXTINF:4.0,\n{name}\n" for name in names)
        (self.hls / "0/stream.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}")
        self.watcher.scan()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    return Parts(tmp_path)


def test_online_without_segments_is_a_problem_even_if_the_folder_is_empty(parts: Parts) -> None:
    parts.monitor.check(100)
    parts.owncast.update(Status(online=True), 100)
    parts.monitor.check(101)
    assert parts.problems.status == "ok"
    parts.uploader.healthy = False
    parts.monitor.check(117)  # the store's own problem explains it
    assert parts.problems.status == "ok"
    parts.uploader.healthy = True
    parts.monitor.check(117)
    assert parts.problems.status == "failing"
    assert f"does Owncast write to {parts.hls}?" in (parts.message("no_segments") or "")
    parts.owncast.update(Status(online=False), 118)
    parts.monitor.check(118)
    assert parts.problems.status == "ok"


def test_a_folder_that_cannot_be_read_is_a_problem_after_a_second(parts: Parts) -> None:
    parts.hls.rmdir()
    parts.watcher.scan()
    parts.monitor.check(10)
    assert parts.message("hls_folder") is None
    parts.monitor.check(11)
    assert "does not exist" in (parts.message("hls_folder") or "")
    parts.hls.mkdir()
    parts.watcher.scan()
    parts.monitor.check(12)
    assert parts.message("hls_folder") is None


def test_the_stores_fault_is_a_problem_while_it_lasts(parts: Parts) -> None:
    parts.uploader.fault = "away"
    parts.monitor.check(1)
    assert parts.message("store") == "cannot store segments: away"
    assert parts.problems.status == "failing"
    parts.uploader.fault = None
    parts.monitor.check(2)
    assert parts.problems.status == "ok"


def test_lost_segments_are_a_problem_for_a_minute(parts: Parts) -> None:
    parts.watcher.lost, parts.pipeline.lost = 2, 1
    parts.monitor.check(100)
    message = parts.message("segments_lost") or ""
    assert message.startswith("since the start, 2 segments disappeared from Owncast's folder")
    assert "; 1 segments had been read" in message
    parts.monitor.check(100 + LOST_SHOWN_S)
    assert parts.message("segments_lost") is not None
    parts.monitor.check(101 + LOST_SHOWN_S)
    assert parts.message("segments_lost") is None


def test_a_station_is_live_as_soon_as_its_first_segment_is_published(parts: Parts) -> None:
    parts.list("stream-a-0.ts")
    parts.monitor.check(1)
    assert not parts.on_air.live
    parts.pipeline.published_at_s = 0.0
    # before the monitor has looked again: the announcer says so before it sends the segment
    assert parts.on_air.live
    assert parts.monitor.health().live


def test_a_stream_ends_after_the_grace_period_but_only_when_nothing_is_under_way(
    parts: Parts,
) -> None:
    parts.list("stream-a-0.ts")
    sequence = assign_sequence(parts.timeline, "a", 0)
    parts.timeline.append(entry(parts.timeline, sequence), NOW)
    parts.pipeline.published_at_s = 0.0
    parts.monitor.check(1)
    parts.list("stream-a-0.ts", "offline-v2.ts\n#EXT-X-ENDLIST")
    change = parts.changes.next
    parts.monitor.check(2)
    assert change.is_set()  # offline
    parts.pipeline.idle = False
    parts.monitor.check(40)
    assert not parts.timeline.ended
    parts.pipeline.idle = True
    parts.monitor.check(31)
    assert not parts.timeline.ended
    change = parts.changes.next
    parts.monitor.check(32)
    assert parts.timeline.ended
    assert change.is_set()


def test_the_body_of_health_keeps_its_keys(parts: Parts) -> None:
    body = msgspec.to_builtins(parts.monitor.health())
    assert body == {
        "status": "ok",
        "live": False,
        "torrents": 0,
        "peers": 0,
        "room_peers": 0,
        "torrent_peers": 0,
        "chunks": 0,
        "signaling": "connected",
        "last_segment_age_s": None,
        "store": "ok",
        "standby": "off",
        "problems": [],
    }

"""Killed services: viewers play on, media sequence numbers continue, sharing comes back."""

import os
import signal
import urllib.error
from pathlib import Path

from tests.support.station import Station, station, wait_for
from tests.support.viewers import Viewer, chromium


def kill(running: Station, service: str) -> None:
    """Kill a service, and wait until `shoal up` has restarted it."""
    running.refresh()
    before = running.local["pids"][service]
    os.kill(before, signal.SIGKILL)

    def restarted() -> bool:
        running.refresh()
        return running.local["pids"][service] != before

    wait_for(f"{service} has restarted", restarted)


def newest(running: Station) -> int:
    """Return the newest media sequence number; -1 if the broadcaster does not answer."""
    try:
        return running.descriptors()[-1]["sequence"]
    except urllib.error.HTTPError:
        return -1


def test_viewers_play_on_when_services_are_killed(tmp_path: Path) -> None:
    options = ("--bitrate", "600", "--segment-seconds", "2")
    with station(tmp_path / "data", *options) as running, chromium() as browser:
        viewers = [Viewer(browser, running.local["watch"]) for _ in range(2)]
        for viewer in viewers:
            viewer.wait("s.ready && s.peers === 1 && s.playing", 45)
        running.wait_published(running.published() + 2)
        before = [viewer.stats() for viewer in viewers]
        first = running.descriptors()[-1]

        kill(running, "signaling")
        for viewer, stats in zip(viewers, before, strict=True):
            # viewers come back with a new id, and share again
            viewer.wait(f"s.id !== {stats['id']!r} && s.ready && s.peers === 1", 60)
            assert viewer.stats()["stalls"] == stats["stalls"]
        kill(running, "broadcaster")
        wait_for("new segments", lambda: newest(running) > first["sequence"] + 4)
        wait_for("a connection to signaling", lambda: running.health()["signaling"] == "connected")
        running.wait_published(running.published() + 3)

        after = [viewer.stats() for viewer in viewers]
        for one, two in zip(before, after, strict=True):
            assert two["playing"]
            assert two["bytes"]["p2p"] > one["bytes"]["p2p"]
        sequences = [segment["sequence"] for segment in running.descriptors()]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
        assert running.origin_video_bytes() == 0
        for viewer in viewers:
            assert viewer.errors() == []

"""The broadcaster's torrents, through the real signaling service, with and without the store."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.broadcaster import Broadcaster, Owncast, broadcaster, get
from tests.support.objects import new_store, running
from tests.support.signaling import signaling
from tests.support.station import wait_for
from tests.support.torrents import fetching


def settings(url: str) -> dict[str, str]:
    return {"SHOAL_SIGNALING_URL": url, "SHOAL_TORRENT_STUN_SERVER": "", "SHOAL_STANDBY": "standby"}


def descriptors(station: Broadcaster) -> list[dict[str, Any]]:
    body = get(f"{station.url}/live/segments.json").json
    return body["variants"].get("0", {}).get("segments", [])


def uploaded_bytes(station: Broadcaster) -> float:
    """Return the seeder's counter."""
    text = get(f"{station.url}/metrics").body.decode()
    [value] = re.findall(r"^shoal_torrent_uploaded_bytes_total (\S+)$", text, re.MULTILINE)
    return float(value)


def seeder_pid(station: Broadcaster) -> int | None:
    """Return the pid of a broadcaster's seeder process, None while there is none."""
    tasks = Path(f"/proc/{station.process.pid}/task").glob("*/children")
    for pid in "".join(children.read_text() for children in tasks).split():
        with suppress(OSError):  # it has ended already
            if b"seeding.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return None


def test_every_segment_of_the_window_is_seeded_and_the_canary_proves_it(tmp_path: Path) -> None:
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    store = new_store(tmp_path)
    with running(store), signaling(tmp_path) as url:
        with broadcaster(tmp_path, store, settings(url)) as station:
            for index in range(63):
                owncast.write("a", index)
                if index % 8 == 7:
                    station.wait_published(f"stream-a-{index}.ts")
            station.wait_published("stream-a-62.ts")
            assert station.health()["torrents"] == 60
            for descriptor in descriptors(station):
                assert f"xt=urn:btih:{descriptor['infohash']}" in descriptor["magnet"]
            wait_for("the canary", lambda: station.health()["standby"] == "ok", 100)
            # the canary does not count as a viewer
            assert station.health()["torrent_peers"] == 0
            station.wait_published(owncast.write("a", 63))  # the stream continues
            wait_for("healthy", lambda: station.health()["status"] == "ok", 10)
        with broadcaster(tmp_path, store, settings(url)) as station:
            wait_for("seeded again", lambda: station.health()["torrents"] == 60)


def test_without_the_store_segments_come_from_the_seed_and_are_stored_later(
    tmp_path: Path,
) -> None:
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    store = new_store(tmp_path)
    with signaling(tmp_path) as url, broadcaster(tmp_path, store, settings(url)) as station:
        names = [owncast.write("a", index) for index in range(8)]
        station.wait_published(names[-1], timeout_s=30)
        assert station.names() == names
        health = station.health()
        assert health["store"] == "failing"
        assert station.problem("store")
        wait_for("the canary fetched one", lambda: station.health()["standby"] == "ok", 40)
        wait_for("degraded", lambda: station.health()["status"] == "degraded", 20)
        with running(store):
            wait_for("the store is back", lambda: station.problem("store") is None, 30)
            for segment in station.playlist().segments:
                uri = segment.uri or ""
                wait_for("stored", lambda uri=uri: get(uri).status == 200, 20)
            assert station.names() == names
            owncast.write("a", 8)
            station.wait_published("stream-a-8.ts")


def fetched(descriptor: dict[str, Any], folder: Path) -> bool:
    with fetching(descriptor["magnet"], folder, "webrtc") as process:
        output, _ = process.communicate(timeout=60)
    return output == descriptor["sha256"]


def test_uploads_to_torrent_peers_are_counted_across_a_seeders_death(tmp_path: Path) -> None:
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    store = new_store(tmp_path)
    with (
        running(store),
        signaling(tmp_path) as url,
        broadcaster(tmp_path, store, settings(url)) as station,
    ):
        station.wait_published(owncast.write("a", 0))
        [descriptor] = descriptors(station)
        assert uploaded_bytes(station) == 0
        # if its first offers are lost on a busy machine, a client makes new ones a minute later
        wait_for("fetched", lambda: fetched(descriptor, tmp_path), 120)
        size = descriptor["size"]
        wait_for("counted", lambda: uploaded_bytes(station) > 0.9 * size, 10)
        counted = uploaded_bytes(station)
        assert counted < 2 * size
        dead = seeder_pid(station)
        assert dead is not None
        os.kill(dead, signal.SIGKILL)
        wait_for("noticed", lambda: station.problem("standby") is not None, 10)
        wait_for("replaced", lambda: seeder_pid(station) not in (None, dead), 10)
        wait_for("recovered", lambda: station.problem("standby") is None, 90)
        assert uploaded_bytes(station) == counted


def test_without_the_seed_there_are_no_torrents(tmp_path: Path) -> None:
    owncast = Owncast(tmp_path / "hls")
    owncast.path.mkdir()
    owncast.start_stream()
    store = new_store(tmp_path)
    with running(store), broadcaster(tmp_path, store, {"SHOAL_STANDBY": "off"}) as station:
        station.wait_published(owncast.write("a", 0))
        [descriptor] = descriptors(station)
        assert descriptor["infohash"] is None
        assert descriptor["magnet"] is None
        assert (station.health()["torrents"], station.health()["standby"]) == (0, "off")

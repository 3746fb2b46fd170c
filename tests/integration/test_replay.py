"""Replays by the real broadcaster on a real store: recorded, listed, play, shared, deleted."""

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import m3u8
import pytest

from shoal.local.store import BUCKET, Store
from tests.support.broadcaster import Owncast, broadcaster, get
from tests.support.objects import new_store, running
from tests.support.replays import (
    client,
    copies,
    download,
    keys,
    play,
    publish,
    replays,
    wait_shared,
)
from tests.support.station import FFMPEG, wait_for

REPLAY = {"SHOAL_REPLAY": "true", "SHOAL_END_GRACE_S": "0"}
SECONDS = 2


@pytest.fixture(autouse=True)
def no_replays(store: Store) -> None:
    """Empty the bucket: a new broadcaster would adopt the replays of another test."""
    for key in keys(store):
        client(store).delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Four real segments of two seconds, with video and audio."""
    folder = tmp_path_factory.mktemp("clip")
    seconds = str(4 * SECONDS)
    subprocess.run(
        [
            *(
                FFMPEG,
                "-v",
                "error",
                "-nostdin",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=size=160x90:rate=5",
            ),
            *("-f", "lavfi", "-i", "sine=frequency=440", "-t", seconds, "-c:v", "libx264"),
            *("-preset", "ultrafast", "-g", str(5 * SECONDS), "-keyint_min", str(5 * SECONDS)),
            *("-c:a", "aac", "-b:a", "32k", "-f", "hls", "-hls_time", str(SECONDS)),
            *("-hls_list_size", "0", "-hls_segment_filename", str(folder / "%d.ts")),
            str(folder / "clip.m3u8"),
        ],
        check=True,
        timeout=60,
    )
    return [(folder / f"{index}.ts").read_bytes() for index in range(4)]


def test_an_ended_stream_plays_as_a_replay_and_downloads_by_its_torrent(
    tmp_path: Path, store: Store, owncast: Owncast, clip: list[bytes]
) -> None:
    with broadcaster(tmp_path, store, REPLAY) as station:
        assert replays(station) == []
        for index, data in enumerate(clip):
            station.wait_published(owncast.write_bytes("one", index, data, duration=SECONDS))
        # it is copied while it is on air
        wait_for("copies", lambda: copies(store, "one") == 4)
        assert replays(station) == []
        owncast.end_stream()
        [replay] = wait_shared(station)

        assert replay["id"] == "one-0"
        assert replay["duration"] == 4 * SECONDS
        assert replay["size"] == sum(map(len, clip))
        assert replay["begun"] == "2026-11-22T09:03:08.231000+00:00"
        answer = get(replay["playlist"])
        assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        playlist = m3u8.loads(answer.body.decode(), uri=replay["playlist"])
        assert (playlist.playlist_type, playlist.is_endlist) == ("vod", True)
        for segment, data in zip(playlist.segments, clip, strict=True):
            kept = get(segment.absolute_uri)
            assert kept.body == data
            assert kept.headers["Content-Type"] == "video/mp2t"
            assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        hashes = get(replay["hashes"].replace("segments.json", "0/segments.json")).json
        assert [item["sha256"] for item in hashes["segments"]] == [
            hashlib.sha256(data).hexdigest() for data in clip
        ]
        length, complaints = play(replay["playlist"])
        assert (abs(length - 4 * SECONDS) < 0.5, complaints) == (True, "")

        torrent = get(replay["torrent"])
        assert torrent.headers["Content-Type"] == "application/x-bittorrent"
        got = download(torrent.body, tmp_path)
        expected = {f"one-0/0/stream-one-{index}.ts": data for index, data in enumerate(clip)}
        assert got == {**expected, "one-0/0/playlist.m3u8": answer.body}
        # the downloaded folder plays by itself
        assert play(str(tmp_path / "got/one-0/0/playlist.m3u8"))[1] == ""
        assert {p["code"] for p in station.health()["problems"]} <= {"signaling"}


def test_a_stream_with_a_crash_and_a_break_is_one_replay(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    settings = {**REPLAY, "SHOAL_END_GRACE_S": "3"}
    with broadcaster(tmp_path, store, settings) as station:
        publish(station, owncast, "two", range(3))
        station.process.kill()
        station.process.wait()
    owncast.write("two", 3)
    with broadcaster(tmp_path, store, settings) as station:
        station.wait_published("stream-two-3.ts")
        owncast.end_stream()
        owncast.start_stream()
        publish(station, owncast, "three", range(2))  # OBS is back within the grace period
        owncast.end_stream()
        [replay] = wait_shared(station)
        playlist = m3u8.loads(get(replay["playlist"]).body.decode())
        assert [s.uri for s in playlist.segments] == [
            *(f"stream-two-{index}.ts" for index in range(4)),
            *(f"stream-three-{index}.ts" for index in range(2)),
        ]
        assert [s.discontinuity for s in playlist.segments] == [*[False] * 4, True, False]
        # and a later stream is another replay
        owncast.start_stream()
        publish(station, owncast, "four", range(2))
        owncast.end_stream()
        newest, oldest = wait_shared(station, 2)
        assert newest["id"].startswith("four-")
        assert oldest == replay
    with broadcaster(tmp_path, store, settings) as station:
        assert replays(station) == [newest, oldest]
    # a new host adopts the list in the bucket
    shutil.rmtree(tmp_path / "state")
    with broadcaster(tmp_path, store, settings) as station:
        assert wait_shared(station, 2) == [newest, oldest]


def test_each_variant_is_part_of_the_replay_and_its_torrent(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    owncast.start_stream(2)
    attributes = ["BANDWIDTH=2000000,RESOLUTION=1280x720", "BANDWIDTH=500000,RESOLUTION=640x360"]
    owncast.write_multivariant(attributes)
    with broadcaster(tmp_path, store, REPLAY) as station:
        for index in range(3):
            for variant in (0, 1):
                if (variant, index) != (1, 1):
                    station.wait_published(owncast.write("five", index, variant), variant)
        owncast.end_stream()
        replay = wait_shared(station)[0]
        top = m3u8.loads(get(replay["playlist"]).body.decode(), uri=replay["playlist"])
        assert [p.stream_info.resolution for p in top.playlists] == [(1280, 720), (640, 360)]
        below = top.playlists[1].absolute_uri
        second = m3u8.loads(get(below).body.decode(), uri=below)
        assert [bool(s.gap_tag) for s in second.segments] == [False, True, False]
        answer = get(second.segments[1].absolute_uri)
        assert (answer.status, answer.body) == (200, b"")
        files = download(get(replay["torrent"]).body, tmp_path)
        assert sorted(Path(name).suffix for name in files) == [*[".m3u8"] * 3, *[".ts"] * 5]


def test_a_store_outage_loses_nothing_of_a_replay(tmp_path: Path, owncast: Owncast) -> None:
    store = new_store(tmp_path)
    with broadcaster(tmp_path, store, REPLAY) as station:
        with running(store):
            publish(station, owncast, "six", range(2))
        names = [owncast.write("six", index) for index in range(2, 5)]
        wait_for("the store is missing", lambda: station.problem("store"), 20)
        with running(store):
            station.wait_published(names[-1], timeout_s=30)
            wait_for("copies", lambda: copies(store, "six") == 5)
        owncast.end_stream()
        wait_for("the end cannot be stored", lambda: station.problem("replay_store"), 20)
        assert replays(station) == []
        with running(store):
            [replay] = wait_shared(station)
            playlist = m3u8.loads(get(replay["playlist"]).body.decode())
            assert [s.uri for s in playlist.segments] == [
                f"stream-six-{index}.ts" for index in range(5)
            ]
            wait_for("recovered", lambda: station.problem("replay_store") is None)


def test_a_live_object_stays_until_it_is_copied(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    # nothing is copied yet: this run does not record
    with broadcaster(tmp_path, store) as station:
        publish(station, owncast, "seven", range(2))
    state = tmp_path / "state/timeline.json"
    timeline = json.loads(state.read_text())
    due = [{"key": f"live/0/stream-seven-{index}.ts", "at": 0.0} for index in range(2)]
    state.write_text(json.dumps({**timeline, "expired": due}))
    with broadcaster(tmp_path, store, {**REPLAY, "SHOAL_END_GRACE_S": "3"}) as station:
        wait_for("copies", lambda: copies(store, "seven") == 2)
        url = f"{store.media_url}/live/0/stream-seven-1.ts"
        wait_for("the object is deleted", lambda: get(url).status == 404, 20)
        owncast.end_stream()
        replay = wait_shared(station)[0]
        assert len(m3u8.loads(get(replay["playlist"]).body.decode()).segments) == 2


@pytest.mark.parametrize(
    "limit", [{"SHOAL_REPLAY_MAX_AGE_DAYS": "0.00003"}, {"SHOAL_REPLAY_MAX_GB": "0.0001"}]
)
def test_outdated_replays_are_deleted_with_all_their_objects(
    tmp_path: Path, store: Store, owncast: Owncast, limit: Mapping[str, str]
) -> None:
    stream = f"eight{next(iter(limit))[-2:]}"
    with broadcaster(tmp_path, store, REPLAY) as station:
        publish(station, owncast, stream, range(2))
        owncast.end_stream()
        [replay] = wait_shared(station)
    time.sleep(3)
    with broadcaster(tmp_path, store, {**REPLAY, **limit}) as station:
        wait_for("it is not listed", lambda: replays(station) == [])
        objects = f"vod/{replay['id']}/"
        wait_for("its objects are deleted", lambda: not any(objects in key for key in keys(store)))
        assert get(replay["playlist"]).status == 404


def test_replays_are_off_by_default(tmp_path: Path, store: Store, owncast: Owncast) -> None:
    before = keys(store)
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "0"}) as station:
        publish(station, owncast, "nine", range(2))
        owncast.end_stream()
        wait_for("the end", lambda: station.playlist().is_endlist)
        answer = get(f"{station.url}/live/replays.json")
        assert (answer.status, answer.json["error"]["code"]) == (404, "no_replays")
    assert keys(store) == before


def test_a_broken_database_does_not_stop_the_live_stream(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/replays.sqlite3").write_bytes(b"no database" * 1000)
    with broadcaster(tmp_path, store, REPLAY) as station:
        publish(station, owncast, "ten", range(2))
        assert "replays.sqlite3" in (station.problem("replay_ledger") or "")
        assert station.health()["status"] == "degraded"

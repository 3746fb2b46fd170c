"""Replays by the real broadcaster on a real store: recorded, listed, played, shared, taken away."""

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
    fetched,
    keys,
    played,
    publish,
    replays,
    wait_shared,
)
from tests.support.station import FFMPEG, wait_for

REPLAY = {"SHOAL_REPLAY": "true", "SHOAL_END_GRACE_S": "0"}
SECONDS = 2


@pytest.fixture(autouse=True)
def no_replays(store: Store) -> None:
    """A new broadcaster takes over what the bucket lists: nothing of another test's."""
    for key in keys(store):
        client(store).delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Four real segments of two seconds, picture and tone."""
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
    return [(folder / f"{k}.ts").read_bytes() for k in range(4)]


def test_an_ended_stream_plays_again_and_is_fetched_by_its_torrent(
    tmp_path: Path, store: Store, owncast: Owncast, clip: list[bytes]
) -> None:
    with broadcaster(tmp_path, store, REPLAY) as station:
        assert replays(station) == []
        for k, data in enumerate(clip):
            station.wait_named(owncast.write_bytes("one", k, data, duration=SECONDS))
        # it is copied while it is on
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
        length, complaints = played(replay["playlist"])
        assert (abs(length - 4 * SECONDS) < 0.5, complaints) == (True, "")

        torrent = get(replay["torrent"])
        assert torrent.headers["Content-Type"] == "application/x-bittorrent"
        got = fetched(torrent.body, tmp_path)
        expected = {f"one-0/0/stream-one-{k}.ts": data for k, data in enumerate(clip)}
        assert got == {**expected, "one-0/0/playlist.m3u8": answer.body}
        # what was fetched is a folder that plays by itself
        assert played(str(tmp_path / "got/one-0/0/playlist.m3u8"))[1] == ""
        assert {p["code"] for p in station.health()["problems"]} <= {"signaling"}


def test_what_was_recorded_before_a_crash_and_a_break_is_one_replay(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    patient = {**REPLAY, "SHOAL_END_GRACE_S": "3"}
    with broadcaster(tmp_path, store, patient) as station:
        publish(station, owncast, "two", range(3))
        station.process.kill()
        station.process.wait()
    owncast.write("two", 3)
    with broadcaster(tmp_path, store, patient) as station:
        station.wait_named("stream-two-3.ts")
        owncast.end_stream()
        owncast.start_stream()
        publish(station, owncast, "three", range(2))  # OBS is back within the grace
        owncast.end_stream()
        [replay] = wait_shared(station)
        playlist = m3u8.loads(get(replay["playlist"]).body.decode())
        assert [s.uri for s in playlist.segments] == [
            *(f"stream-two-{k}.ts" for k in range(4)),
            *(f"stream-three-{k}.ts" for k in range(2)),
        ]
        assert [s.discontinuity for s in playlist.segments] == [*[False] * 4, True, False]
        # and a later stream is another one
        owncast.start_stream()
        publish(station, owncast, "four", range(2))
        owncast.end_stream()
        newest, oldest = wait_shared(station, 2)
        assert newest["id"].startswith("four-")
        assert oldest == replay
    with broadcaster(tmp_path, store, patient) as station:
        assert replays(station) == [newest, oldest]
    # a new host takes the list over from the bucket
    shutil.rmtree(tmp_path / "state")
    with broadcaster(tmp_path, store, patient) as station:
        assert wait_shared(station, 2) == [newest, oldest]


def test_each_rendition_is_kept_and_shared_in_swarms_of_its_own(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    owncast.start_stream(2)
    attributes = ["BANDWIDTH=2000000,RESOLUTION=1280x720", "BANDWIDTH=500000,RESOLUTION=640x360"]
    owncast.master(attributes)
    with broadcaster(tmp_path, store, REPLAY) as station:
        for k in range(3):
            for variant in (0, 1):
                if (variant, k) != (1, 1):
                    station.wait_named(owncast.write("five", k, variant), variant)
        owncast.end_stream()
        replay = wait_shared(station)[0]
        top = m3u8.loads(get(replay["playlist"]).body.decode(), uri=replay["playlist"])
        assert [p.stream_info.resolution for p in top.playlists] == [(1280, 720), (640, 360)]
        below = top.playlists[1].absolute_uri
        second = m3u8.loads(get(below).body.decode(), uri=below)
        assert [bool(s.gap_tag) for s in second.segments] == [False, True, False]
        answer = get(second.segments[1].absolute_uri)
        assert (answer.status, answer.body) == (200, b"")
        files = fetched(get(replay["torrent"]).body, tmp_path)
        assert sorted(Path(name).suffix for name in files) == [*[".m3u8"] * 3, *[".ts"] * 5]


def test_a_store_that_is_away_loses_nothing_of_a_replay(tmp_path: Path, owncast: Owncast) -> None:
    store = new_store(tmp_path)
    with broadcaster(tmp_path, store, REPLAY) as station:
        with running(store):
            publish(station, owncast, "six", range(2))
        names = [owncast.write("six", k) for k in range(2, 5)]
        wait_for("the store is missed", lambda: station.problem("store"), 20)
        with running(store):
            station.wait_named(names[-1], timeout_s=30)
            wait_for("copies", lambda: copies(store, "six") == 5)
        owncast.end_stream()
        wait_for("the end cannot be stored", lambda: station.problem("replay_store"), 20)
        assert replays(station) == []
        with running(store):
            [replay] = wait_shared(station)
            playlist = m3u8.loads(get(replay["playlist"]).body.decode())
            assert [s.uri for s in playlist.segments] == [f"stream-six-{k}.ts" for k in range(5)]
            wait_for("healed", lambda: station.problem("replay_store") is None)


def test_a_live_object_stays_until_it_is_copied(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    # nothing of it was copied: its recording was interrupted before
    with broadcaster(tmp_path, store) as station:
        publish(station, owncast, "seven", range(2))
    state = tmp_path / "state/timeline.json"
    timeline = json.loads(state.read_text())
    due = [{"key": f"live/0/stream-seven-{k}.ts", "at": 0.0} for k in range(2)]
    state.write_text(json.dumps({**timeline, "expired": due}))
    with broadcaster(tmp_path, store, {**REPLAY, "SHOAL_END_GRACE_S": "3"}) as station:
        wait_for("copies", lambda: copies(store, "seven") == 2)
        gone = f"{store.media_url}/live/0/stream-seven-1.ts"
        wait_for("then it is deleted", lambda: get(gone).status == 404, 20)
        owncast.end_stream()
        replay = wait_shared(station)[0]
        assert len(m3u8.loads(get(replay["playlist"]).body.decode()).segments) == 2


@pytest.mark.parametrize(
    "limit", [{"SHOAL_REPLAY_MAX_AGE_DAYS": "0.00003"}, {"SHOAL_REPLAY_MAX_GB": "0.0001"}]
)
def test_what_is_too_old_or_too_much_goes_with_all_its_objects(
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
        wait_for("its objects are gone", lambda: not any(objects in key for key in keys(store)))
        assert get(replay["playlist"]).status == 404


def test_nothing_is_kept_unless_the_operator_says_so(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    before = keys(store)
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "0"}) as station:
        publish(station, owncast, "nine", range(2))
        owncast.end_stream()
        wait_for("the end", lambda: station.playlist().is_endlist)
        answer = get(f"{station.url}/live/replays.json")
        assert (answer.status, answer.json["error"]["code"]) == (404, "no_replays")
    assert keys(store) == before


def test_a_ledger_that_cannot_be_used_costs_nobody_the_live_stream(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/replays.sqlite3").write_bytes(b"no database" * 1000)
    with broadcaster(tmp_path, store, REPLAY) as station:
        publish(station, owncast, "ten", range(2))
        assert "replays.sqlite3" in (station.problem("replay_ledger") or "")
        assert station.health()["status"] == "degraded"

"""Faults around the broadcaster: it goes on, reports what is wrong, and recovers."""

import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from shoal.local.store import BUCKET, Store
from tests.support.broadcaster import Broadcaster, Owncast, broadcaster, get, transport_stream
from tests.support.objects import new_store, running
from tests.support.station import wait_for

NOBODY = 65534


def keys(store: Store) -> set[str]:
    """Return every key in the bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        region_name="auto",
        aws_access_key_id=store.access_key_id,
        aws_secret_access_key=store.secret_access_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    found = {item.get("Key", "") for page in pages for item in page.get("Contents", [])}
    client.close()
    return found


@pytest.mark.parametrize("what", ["folder", "variant", "file"])
def test_a_permission_error_is_reported_until_it_is_fixed(
    tmp_path: Path, store: Store, owncast: Owncast, what: str
) -> None:
    assert os.geteuid() == 0, "needs root, to give files to another user"
    barrier = {"folder": owncast.path, "variant": owncast.path / "0"}.get(what)
    with broadcaster(tmp_path, store, override_permissions=False) as station:
        station.wait_published(owncast.write("a", 0))
        if barrier is None:
            barrier = owncast.path / "0" / owncast.write("a", 1, owner=NOBODY, mode=0o600)
        else:
            os.chown(barrier, NOBODY, NOBODY)
            barrier.chmod(0o700)
            owncast.write("a", 1)
        started_s = time.monotonic()
        message = wait_for("the problem is reported", lambda: station.problem("hls_folder"), 5)
        assert time.monotonic() - started_s < 5
        assert str(barrier) in message
        assert f"mode 0{'6' if what == 'file' else '7'}00 and owner nobody (uid 65534" in message
        assert "we run as root (uid 0" in message
        assert station.health()["status"] == "failing"
        barrier.chmod(0o755)
        station.wait_published("stream-a-1.ts")
        wait_for("recovered", lambda: station.problem("hls_folder") is None)
        assert station.log.read_text().count("permission denied") == 1


def test_an_outage_loses_nothing_though_owncast_deletes_its_files(
    tmp_path: Path, owncast: Owncast
) -> None:
    store = new_store(tmp_path)
    with running(store), broadcaster(tmp_path, store) as station:
        station.wait_published(owncast.write("a", 0))
    with broadcaster(tmp_path, store) as station:
        for index in range(1, 30):
            owncast.write("a", index)
            wait_for(
                "spooled",
                lambda index=index: (spool(tmp_path) / f"stream-a-{index}.ts.json").exists(),
            )
            if index > 8:
                (owncast.path / "0" / f"stream-a-{index - 8}.ts").unlink()
        assert station.health()["store"] == "failing"
        station.process.kill()  # not even a crash in the middle of it loses anything
        station.process.wait()
    with broadcaster(tmp_path, store) as station, running(store):
        station.wait_published("stream-a-29.ts", timeout_s=30)
        assert station.names() == [f"stream-a-{index}.ts" for index in range(30)]
        for segment in station.playlist().segments:
            assert get(segment.uri or "").status == 200
        assert "EXT-X-GAP" not in get(f"{station.url}/live/playlist.m3u8").body.decode()


def spool(folder: Path, variant: int = 0) -> Path:
    return folder / "state" / "segments" / str(variant)


@contextmanager
def half_open() -> Iterator[str]:
    """An endpoint that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in accepted:
                connection.close()


def test_a_store_that_never_answers_is_reported_within_seconds(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with (
        half_open() as endpoint,
        broadcaster(tmp_path, store, {"SHOAL_S3_ENDPOINT": endpoint}) as it,
    ):
        owncast.write("a", 0)
        message = wait_for("the problem is reported", lambda: it.problem("store"), 10)
        assert "longer than 5 s" in message or endpoint in message
        assert it.names() == []


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"SHOAL_BUCKET": "elsewhere"}, "create the bucket"),
        ({"r2_secret_access_key": "wrong"}, "the secret key is wrong"),
        ({"r2_access_key_id": "wrong"}, "does not know the access key"),
    ],
)
def test_an_error_of_the_store_comes_with_advice(
    tmp_path: Path, store: Store, owncast: Owncast, settings: dict[str, str], advice: str
) -> None:
    with broadcaster(tmp_path, store, settings) as station:
        owncast.write("a", 0)
        message = wait_for("the problem is reported", lambda: station.problem("store"), 10)
        assert advice in message
        assert get(f"{station.url}/live/playlist.m3u8").status == 404


def test_variants_are_aligned_and_one_that_stops_leaves_gaps(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    owncast.start_stream(3)
    attributes = ["BANDWIDTH=2000000,RESOLUTION=1280x720", "BANDWIDTH=900000", "BANDWIDTH=400000"]
    owncast.write_multivariant(attributes)
    with broadcaster(tmp_path, store) as station:
        for index in range(3):
            for variant in range(3):
                owncast.write("a", index, variant)
        for variant in range(3):
            station.wait_published("stream-a-2.ts", variant)
        multivariant = get(f"{station.url}/live/playlist.m3u8").body.decode()
        for variant, line in enumerate(attributes):
            assert f"#EXT-X-STREAM-INF:{line}\n{variant}/playlist.m3u8\n" in multivariant
        assert get(f"{station.url}/live/stream-a-0.ts").status == 404
        sequences = [station.playlist(variant).media_sequence for variant in range(3)]
        assert len(set(sequences)) == 1
        for index in range(3, 9):
            for variant in (0, 2):
                station.wait_published(owncast.write("a", index, variant), variant)
        stopped = get(f"{station.url}/live/1/playlist.m3u8").body.decode()
        # its last one is 2, the newest is 8: all except the last three are lost
        assert stopped.count("#EXT-X-GAP") == 8 - 3 - 2 - 1


def test_a_stream_ends_after_the_grace_period_and_the_next_has_new_playlists(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "2"}) as station:
        station.wait_published(owncast.write("a", 0))
        station.wait_published(owncast.write("a", 1))
        before = station.playlist()
        owncast.end_stream()
        wait_for("offline", lambda: not station.health()["live"])
        assert not station.playlist().is_endlist
        wait_for("ended", lambda: station.playlist().is_endlist, 10)
        assert len(station.names()) == 2
        owncast.start_stream()
        station.wait_published(owncast.write("b", 0))
        after = station.playlist()
        assert not after.is_endlist
        assert station.names() == ["stream-b-0.ts"]
        assert after.media_sequence == (before.media_sequence or 0) + 2


def test_a_stream_of_which_nothing_can_be_published_is_never_healthy(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        name = owncast.write("a", 0)
        (owncast.path / "0" / name).write_bytes(b"no transport stream")
        message = wait_for("the problem is reported", lambda: station.problem("no_segments"), 25)
        assert name in message
        assert station.health()["status"] == "failing"
        owncast.write("a", 1)
        station.wait_published("stream-a-1.ts")
        wait_for("recovered", lambda: station.problem("no_segments") is None)


def test_ten_thousand_stale_files_change_nothing(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    for index in range(10_000):
        (owncast.path / "0" / f"stream-old-{index}.ts").touch()
    with broadcaster(tmp_path, store) as station:
        started_s = time.monotonic()
        station.wait_published(owncast.write("a", 0))
        assert time.monotonic() - started_s < 2
        assert station.names() == ["stream-a-0.ts"]


def test_what_has_left_the_window_leaves_spool_and_bucket(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        for index in range(63):
            owncast.write("w", index)
            if index % 8 == 7:
                station.wait_published(f"stream-w-{index}.ts")
        station.wait_published("stream-w-62.ts")
        assert len(station.names()) == 60
        spooled = {path.name for path in spool(tmp_path).glob("*.ts")}
        assert spooled == set(station.names())
        assert {f"live/0/stream-w-{index}.ts" for index in range(63)} <= keys(store)
    # what a crash left behind, uploaded but never published, is deleted without listing the bucket
    shutil.rmtree(tmp_path / "hls" / "0")
    left = spool(tmp_path) / "stream-v-0.ts"
    shutil.copy(spool(tmp_path) / "stream-w-62.ts", left)
    metadata = (spool(tmp_path) / "stream-w-62.ts.json").read_text()
    metadata = metadata.replace("stream-w-62.ts", "stream-w-1.ts").replace('"k":62', '"k":1')
    left.rename(spool(tmp_path) / "stream-w-1.ts")
    (spool(tmp_path) / "stream-w-1.ts.json").write_text(metadata)
    with broadcaster(tmp_path, store):
        wait_for("deleted", lambda: "live/0/stream-w-1.ts" not in keys(store), 20)
        assert not (spool(tmp_path) / "stream-w-1.ts").exists()


def kill_at_random(folder: Path, store: Store, owncast: Owncast, kills: int) -> None:
    """SIGKILL the broadcaster at random moments; nothing is lost, nothing repeated."""
    chance = random.Random(kills)
    with broadcaster(folder, store) as station:
        before = station.health()["chunks"]
    index = 0
    for _ in range(kills):
        with broadcaster(folder, store) as station:
            end = time.monotonic() + chance.uniform(0.05, 0.6)
            while time.monotonic() < end:
                owncast.write("a", index)
                index += 1
                time.sleep(chance.uniform(0, 0.05))
            station.process.kill()
            station.process.wait()
    with broadcaster(folder, store) as station:
        station.wait_published(f"stream-a-{index - 1}.ts", timeout_s=30)
        check_complete(station, index)
        assert station.health()["chunks"] - before == index


def check_complete(station: Broadcaster, segments: int) -> None:
    """Check that the window has the newest segments, each once, in order, and in the store."""
    expected = [f"stream-a-{index}.ts" for index in range(segments)][-60:]
    assert station.names() == expected
    for segment in station.playlist().segments[-5:]:
        assert get(segment.uri or "").status == 200


def test_five_kills_lose_and_repeat_nothing(tmp_path: Path, store: Store) -> None:
    owncast = Owncast(tmp_path / "hls", list_size=10_000)
    owncast.path.mkdir()
    owncast.start_stream()
    kill_at_random(tmp_path, store, owncast, 5)


@pytest.mark.long
def test_fifty_kills_lose_and_repeat_nothing(tmp_path: Path, store: Store) -> None:
    owncast = Owncast(tmp_path / "hls", list_size=10_000)
    owncast.path.mkdir()
    owncast.start_stream()
    kill_at_random(tmp_path, store, owncast, 50)


def test_a_segment_that_still_grew_is_stored_complete_before_it_is_published(
    tmp_path: Path, owncast: Owncast
) -> None:
    store = new_store(tmp_path)
    with broadcaster(tmp_path, store) as station:
        name = owncast.write("a", 0)
        wait_for("spooled", (spool(tmp_path) / f"{name}.json").exists)
        complete = transport_stream("all of it", 900)
        (owncast.path / "0" / name).write_bytes(complete)
        with running(store):
            station.wait_published(name, timeout_s=20)
            assert get(station.playlist().segments[0].uri or "").body == complete
            [descriptor] = get(f"{station.url}/live/segments.json").json["variants"]["0"][
                "segments"
            ]
            assert descriptor["size"] == len(complete)

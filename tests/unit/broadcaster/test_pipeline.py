"""The real pipeline, timeline, spool and state file; store and seed are stand-ins."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from shoal.aio import Changes
from shoal.broadcaster import pipeline
from shoal.broadcaster import timeline as timelines
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problems
from tests.support.broadcaster import Owncast, transport_stream


class StandInStore:
    """A bucket that can be away."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away = False

    async def put_segment(self, key: str, data: bytes) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreError("away")
        self.objects[key] = data


class StandInSeed:
    """A seed from which viewers can fetch at once."""

    async def add(self, path: Path, _data: bytes, web_seed: str) -> Torrent:
        return Torrent(path.name, path.name, 1, web_seed, b"")

    def is_available(self, _infohash: str) -> bool:
        return True

    def remove(self, _infohash: str) -> None:
        pass


class Station:
    """The parts of a broadcaster that bring segments to the playlist."""

    def __init__(self, folder: Path, store: StandInStore, seed: StandInSeed | None = None) -> None:
        self.owncast = Owncast(folder / "hls", list_size=100)
        (folder / "hls/0").mkdir(parents=True, exist_ok=True)
        self.problems = Problems()
        self.state = StateFile(folder, self.problems)
        self.timeline = self.state.load() or Timeline()
        self.spool = Spool(folder / "segments", self.problems)
        self.watcher = HlsWatcher(folder / "hls")
        seeding = cast("TorrentSeed | None", seed)
        self.uploader = Uploader(cast("Store", store), self.spool, seeding)
        self.changes = Changes()
        self.pipeline = Pipeline(
            watcher=self.watcher,
            timeline=self.timeline,
            state=self.state,
            spool=self.spool,
            uploader=self.uploader,
            seed=seeding,
            media_url="https://media.example",
            changes=self.changes,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        parts = [asyncio.create_task(part.run()) for part in (self.uploader, self.pipeline)]
        try:
            yield
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        assert all(part.cancelled() for part in parts)

    async def publish(self, stream: str, index: int) -> None:
        """Have Owncast write a segment, and wait until it is published."""
        name = self.owncast.write(stream, index, packets=10)
        await until(lambda: name in self.names)

    @property
    def names(self) -> list[str]:
        return [descriptor.name for descriptor in self.timeline.descriptors()]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - another task makes it true
            await asyncio.sleep(0.001)


async def test_a_stream_that_left_the_window_while_the_store_was_away_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "WINDOW_SEGMENTS", 3)
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store, StandInSeed())
    async with station.running():
        await station.publish("a", 41)
        station.owncast.start_stream()
        for index in range(5):
            await station.publish("b", index)
        store.away = False
        await until(lambda: all(d.stored for d in station.timeline.descriptors()))
    assert station.timeline.newest_stream == "b"
    assert [start.stream for start in station.timeline.streams] == ["b"]
    assert station.timeline.next_sequence == 6
    assert [d.stored for d in station.timeline.descriptors()] == [True] * 3


async def test_resume_drops_a_spooled_segment_of_a_forgotten_stream_and_its_key_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelines, "WINDOW_SEGMENTS", 3)
    station = Station(tmp_path, StandInStore())
    async with station.running():
        for index in range(5):
            await station.publish("b", index)
    left = station.spool.load()[0]
    left = msgspec.structs.replace(left, stream="a", index=7, name="stream-a-7.ts")
    await station.spool.write(left, transport_stream("a", 10))
    station = Station(tmp_path, StandInStore())
    async with station.running():
        await until(lambda: station.timeline.expired_keys(time.time()))
    assert [start.stream for start in station.timeline.streams] == ["b"]
    assert station.timeline.expired_keys(time.time()) == ["live/0/stream-a-7.ts"]
    assert "stream-a-7.ts" not in [segment.name for segment in station.spool.load()]


async def test_a_segment_whose_upload_failed_is_not_marked_stored(tmp_path: Path) -> None:
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store, StandInSeed())
    async with station.running():
        for index in range(2):
            await station.publish("a", index)
        station.spool.remove(0, "stream-a-0.ts")
        store.away = False
        await until(lambda: station.timeline.descriptors()[1].stored)
    assert not station.timeline.descriptors()[0].stored


async def test_a_segment_that_cannot_be_read_back_from_the_spool_is_lost_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    store = StandInStore()
    station = Station(tmp_path, store)
    async with station.running():
        await station.publish("a", 0)
    left = station.spool.load()[0]
    damaged = [
        msgspec.structs.replace(left, index=index, name=f"stream-a-{index}.ts")
        for index in (1, 2, 3)
    ]
    await station.spool.write(damaged[0], b"")  # as after a power failure
    for segment in damaged[1:]:
        await station.spool.write(segment, transport_stream("whole", 10))
    unreadable = station.spool.path(0, damaged[1].name)
    unreadable.unlink()
    unreadable.mkdir()
    station = Station(tmp_path, store)
    async with station.running():
        await until(lambda: station.names == ["stream-a-0.ts", "stream-a-3.ts"])
        assert station.pipeline.lost == 2
        assert str(unreadable) in station.problems.standing()[0].message


async def test_resume_drops_what_was_uploaded_and_never_published_and_its_key_expires(
    tmp_path: Path,
) -> None:
    station = Station(tmp_path, StandInStore())
    async with station.running():
        for index in (0, 2):  # a gap took the place of 1
            await station.publish("a", index)
    late = msgspec.structs.replace(station.spool.load()[0], index=1, name="stream-a-1.ts")
    await station.spool.write(late, transport_stream("late", 10))
    station = Station(tmp_path, StandInStore())
    async with station.running():
        await until(lambda: station.timeline.expired_keys(time.time()))
    assert station.timeline.expired_keys(time.time()) == ["live/0/stream-a-1.ts"]
    saved = station.state.load()
    assert saved is not None
    assert saved.expired == station.timeline.expired
    assert {segment.name for segment in station.spool.load()} == {"stream-a-0.ts", "stream-a-2.ts"}


async def test_a_new_stream_is_saved_before_its_first_segment_so_that_a_crash_loses_nothing(
    tmp_path: Path,
) -> None:
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store)
    async with station.running():
        name = station.owncast.write("a", 5, packets=10)
        await until((tmp_path / f"segments/0/{name}.json").exists)
    station.owncast.start_stream()  # meanwhile Owncast has emptied its folder
    store.away = False
    station = Station(tmp_path, store)
    async with station.running():
        await until(lambda: station.names == [name])


async def test_a_file_that_was_written_again_is_withdrawn_and_published_with_its_new_bytes(
    tmp_path: Path,
) -> None:
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store)
    async with station.running():
        name = station.owncast.write("a", 0, packets=10)
        await until(lambda: station.uploader.waiting)
        path = tmp_path / "hls/0" / name
        path.write_bytes(b"")  # as Owncast does: cut off first
        store.away = False
        await asyncio.sleep(0.05)
        assert station.names == []
        path.write_bytes(complete := transport_stream("complete", 12))
        await until(lambda: station.names == [name])
    assert store.objects[f"live/0/{name}"] == complete
    assert station.timeline.descriptors()[0].size == len(complete)
    assert station.spool.path(0, name).read_bytes() == complete
    assert station.pipeline.lost == 0


async def test_a_file_that_stays_cut_off_after_it_was_read_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "REREAD_S", 0.02)
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store)
    async with station.running():
        name = station.owncast.write("a", 0, packets=10)
        await until(lambda: station.uploader.waiting)
        (tmp_path / "hls/0" / name).write_bytes(b"")
        store.away = False
        await until(lambda: station.pipeline.lost)
        assert station.names == []
        await station.publish("a", 1)


async def test_an_init_section_is_named_by_its_digest(tmp_path: Path) -> None:
    station = Station(tmp_path, store := StandInStore())
    folder = tmp_path / "hls/0"
    box = (16).to_bytes(4) + b"mdat" + bytes(8)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4"]
    async with station.running():
        for index, init in enumerate((b"one", b"two")):  # Owncast reuses the name
            (folder / "init.mp4").write_bytes(init)
            (folder / f"stream-a-{index}.m4s").write_bytes(box)
            lines += ['#EXT-X-MAP:URI="init.mp4"', "#EXTINF:4.0,", f"stream-a-{index}.m4s"]
            (folder / "stream.m3u8").write_text("\n".join(lines) + "\n")
            await until(lambda index=index: len(station.names) == index + 1)
    entries = station.timeline.windows[0].entries
    assert [store.objects[f"live/0/{entry.init_name}"] for entry in entries] == [b"one", b"two"]

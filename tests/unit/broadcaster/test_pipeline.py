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

"""The real pipeline, timeline, spool and state file; store and seed are stand-ins."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from shoal.broadcaster import timeline as timelines
from shoal.broadcaster.hls_watcher import SourceSegment
from shoal.broadcaster.owncast_playlist import SegmentName
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problems
from tests.support.broadcaster import transport_stream


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
        self.state = StateFile(folder)
        self.timeline = self.state.load() or Timeline()
        self.problems = Problems()
        self.spool = Spool(folder / "segments", self.problems)
        self.uploader = Uploader(cast("Store", store), self.spool, cast("TorrentSeed | None", seed))
        self.pipeline = Pipeline(
            timeline=self.timeline,
            state=self.state,
            spool=self.spool,
            uploader=self.uploader,
            problems=self.problems,
            media_url="https://media.example",
            listed_variants=lambda: (),
            seed=cast("TorrentSeed | None", seed),
            on_published=lambda: None,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.TaskGroup]:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.uploader.run())
                tasks.create_task(self.pipeline.mark_stored())
                self.pipeline.resume(tasks)
                yield tasks
                raise _StopError
        except* _StopError:
            pass

    async def publish(self, stream: str, index: int, tasks: asyncio.TaskGroup) -> None:
        """Let a segment be found in Owncast's folder, and wait until it is published."""
        name = SegmentName(stream, index)
        assert self.pipeline.is_due(0, name)
        path = Path(f"stream-{stream}-{index}.ts")
        data = transport_stream(path.name, 10)
        source = SourceSegment(0, name, path, (1, len(data), 0), data, 4.0, "")
        await self.pipeline.submit(source, tasks)
        await until(lambda: self.pipeline.idle)
        assert self.timeline.descriptors()[-1].name == path.name


class _StopError(Exception):
    """Ends a station's task group."""


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
    async with station.running() as tasks:
        await station.publish("a", 41, tasks)
        for index in range(5):
            await station.publish("b", index, tasks)
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
    async with station.running() as tasks:
        for index in range(5):
            await station.publish("b", index, tasks)
    left = station.spool.load()[0]
    left = msgspec.structs.replace(left, stream="a", index=7, name="stream-a-7.ts")
    await station.spool.write(left, transport_stream("a", 10))
    station = Station(tmp_path, StandInStore())
    async with station.running():
        pass
    assert [start.stream for start in station.timeline.streams] == ["b"]
    assert station.timeline.expired_keys(time.time()) == ["live/0/stream-a-7.ts"]
    assert "stream-a-7.ts" not in [segment.name for segment in station.spool.load()]


async def test_a_segment_whose_upload_failed_is_not_marked_stored(tmp_path: Path) -> None:
    store = StandInStore()
    store.away = True
    station = Station(tmp_path, store, StandInSeed())
    async with station.running() as tasks:
        for index in range(2):
            await station.publish("a", index, tasks)
        station.spool.remove(0, "stream-a-0.ts")
        store.away = False
        await until(lambda: station.timeline.descriptors()[1].stored)
    assert not station.timeline.descriptors()[0].stored


async def test_a_segment_that_cannot_be_read_back_from_the_spool_is_lost_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    store = StandInStore()
    station = Station(tmp_path, store)
    async with station.running() as tasks:
        await station.publish("a", 0, tasks)
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
        await until(lambda: station.pipeline.idle)
        names = [d.name for d in station.timeline.descriptors()]
        assert names == ["stream-a-0.ts", "stream-a-3.ts"]
        assert str(unreadable) in station.problems.standing()[0].message

"""When a segment is available: store and seed are stand-ins that take a given time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest

from shoal.broadcaster import upload
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problems
from tests.support.broadcaster import transport_stream

STORE_ONLY_S = 0.05
NEVER_S = 60.0
ONE, TWO, OLD, NEW = (transport_stream(seed, 2) for seed in ("one", "two", "old", "new"))
SEGMENT = SpooledSegment(
    variant=0,
    stream="abc",
    index=1,
    name="stream-abc-1.ts",
    duration=4.0,
    program_date_time="",
    written_at=0.0,
)
TORRENT = cast("Torrent", type("T", (), {"infohash": "00" * 20}))


class StandInStore:
    """A store that accepts a segment after some time, or fails."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.failing = False
        self.puts: list[bytes] = []
        self.underway = 0

    async def put_segment(self, _key: str, data: bytes) -> None:
        self.underway += 1
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.underway -= 1
        if self.failing:
            raise StoreError("failing")
        self.puts.append(data)


class LateSeed:
    """A seed that the tracker knows after some time."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._known_at_s = time.monotonic() + delay_s

    def is_available(self, _infohash: str) -> bool:
        return time.monotonic() >= self._known_at_s


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "STORE_ONLY_S", STORE_ONLY_S)
    monkeypatch.setattr(upload, "PROBE_FIRST_S", 0.001)


def uploader(folder: Path, store: StandInStore, seed: LateSeed | None) -> Uploader:
    spool = Spool(folder, Problems())
    return Uploader(cast("Store", store), spool, cast("TorrentSeed | None", seed))


@asynccontextmanager
async def running(*parts: Uploader) -> AsyncIterator[None]:
    async with asyncio.timeout(5):
        tasks = [asyncio.create_task(part.run()) for part in parts]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def spooled(folder: Path, data: bytes = ONE, segment: SpooledSegment = SEGMENT) -> None:
    await Spool(folder, Problems()).write(segment, data)


@pytest.mark.parametrize(
    ("store_s", "seed_s", "source"),
    [
        (0.01, 0.0, "store"),
        (NEVER_S, 0.0, "seed"),
        (NEVER_S, 3 * STORE_ONLY_S, "seed"),
        (3 * STORE_ONLY_S, NEVER_S, "store"),
    ],
    ids=["fast store", "silent store", "silent store and late seed", "slow store without seed"],
)
async def test_a_segment_is_available_as_soon_as_a_source_has_it(
    tmp_path: Path, store_s: float, seed_s: float, source: str
) -> None:
    uploads = uploader(tmp_path, StandInStore(store_s), LateSeed(seed_s))
    async with asyncio.timeout(1):
        assert await uploads.make_available(SEGMENT, b"", TORRENT) == source
    assert uploads.stored_late.empty()


async def test_what_is_published_from_the_seed_is_reported_once_it_is_stored(
    tmp_path: Path,
) -> None:
    store = StandInStore()
    store.failing = True
    uploads = uploader(tmp_path, store, LateSeed())
    await spooled(tmp_path)
    async with running(uploads):
        assert await uploads.make_available(SEGMENT, ONE, TORRENT) == "seed"
        assert not uploads.healthy
        store.failing = False
        while not store.puts:  # noqa: ASYNC110 - another task stores it, even before it is published
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert uploads.stored_late.empty()
        uploads.report_when_stored(SEGMENT)
        assert await uploads.stored_late.get() == SEGMENT
        assert uploads.healthy


@pytest.mark.parametrize("how", ["gone", "unreadable", "cut off"])
async def test_without_its_spool_file_an_upload_fails_and_the_queue_goes_on(
    tmp_path: Path, how: str
) -> None:
    store = StandInStore()
    store.failing = True
    uploads = uploader(tmp_path, store, LateSeed())
    following = msgspec.structs.replace(SEGMENT, index=2, name="stream-abc-2.ts")
    await spooled(tmp_path)
    await spooled(tmp_path, TWO, following)
    for segment, data in ((SEGMENT, ONE), (following, TWO)):
        assert await uploads.make_available(segment, data, TORRENT) == "seed"
        uploads.report_when_stored(segment)
    path = tmp_path / "0" / SEGMENT.name
    path.unlink()
    if how == "unreadable":
        path.mkdir()
    elif how == "cut off":
        path.write_bytes(ONE[:-1])
    store.failing = False
    async with running(uploads):
        assert await uploads.stored_late.get() == following
    assert store.puts == [TWO]
    assert uploads.waiting == 0


async def test_an_upload_that_is_withdrawn_is_over_before_the_next_bytes_are_sent(
    tmp_path: Path,
) -> None:
    store = StandInStore(0.1)
    uploads = uploader(tmp_path, store, LateSeed())
    async with running(uploads):
        assert await uploads.make_available(SEGMENT, OLD, TORRENT) == "seed"
        assert store.underway == 1
        await uploads.withdraw(SEGMENT)
        assert store.underway == 0
        store.failing = True
        await spooled(tmp_path, OLD)
        assert await uploads.make_available(SEGMENT, OLD, TORRENT) == "seed"
        await uploads.withdraw(SEGMENT)  # from the queue, too
        assert (store.underway, uploads.waiting) == (0, 0)
        store.failing = False
        store.puts.clear()
        await spooled(tmp_path, NEW)
        uploads.retry_later(SEGMENT)
        assert await uploads.stored_late.get() == SEGMENT
        assert store.puts == [NEW]


async def test_an_init_section_is_stored_once_and_before_its_segment(tmp_path: Path) -> None:
    store = StandInStore()
    uploads = uploader(tmp_path, store, None)
    segment = msgspec.structs.replace(SEGMENT, init_name="abc-1234-init.mp4")
    await Spool(tmp_path, Problems()).write(segment, ONE, b"init")
    for _ in range(2):
        assert await uploads.make_available(segment, ONE, None) == "store"
    assert store.puts == [b"init", ONE, ONE]

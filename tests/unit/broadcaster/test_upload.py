"""When a segment is available: store and seed are stand-ins that take a given time."""

import asyncio
import time
from typing import cast

import pytest

from shoal.broadcaster import upload
from shoal.broadcaster.retry_queue import RetryQueue
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import SpooledSegment
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader

STORE_ONLY_S = 0.05
NEVER_S = 60.0
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


class SlowStore:
    """A store that accepts a segment after some time."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def put_now(self, _segment: SpooledSegment, _data: bytes) -> bool:
        await asyncio.sleep(self._delay_s)
        return True


class LateSeed:
    """A seed that the tracker knows after some time."""

    def __init__(self, delay_s: float) -> None:
        self._known_at_s = time.monotonic() + delay_s

    def is_available(self, _infohash: str) -> bool:
        return time.monotonic() >= self._known_at_s


@pytest.mark.parametrize(
    ("store_s", "seed_s", "stored"),
    [
        (0.01, 0.0, True),
        (NEVER_S, 0.0, False),
        (NEVER_S, 3 * STORE_ONLY_S, False),
        (3 * STORE_ONLY_S, NEVER_S, True),
    ],
    ids=["fast store", "silent store", "silent store and late seed", "slow store without seed"],
)
async def test_a_segment_is_available_as_soon_as_a_source_has_it(
    monkeypatch: pytest.MonkeyPatch, store_s: float, seed_s: float, stored: bool
) -> None:
    monkeypatch.setattr(upload, "STORE_ONLY_S", STORE_ONLY_S)
    stored_later: list[SpooledSegment] = []
    retry_queue = cast("RetryQueue", SlowStore(store_s))
    seed = cast("TorrentSeed", LateSeed(seed_s))
    uploader = Uploader(retry_queue, seed, stored_later.append)
    async with asyncio.timeout(1):
        assert await uploader.make_available(SEGMENT, b"", TORRENT) is stored
    assert stored_later == []

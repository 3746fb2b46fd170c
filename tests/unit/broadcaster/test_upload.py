"""When viewers are told of a segment: store and seeder are stand-ins that take as long as told."""

import asyncio
import time
from typing import cast

import pytest

from shoal.broadcaster import upload
from shoal.broadcaster.retry_queue import Uploads
from shoal.broadcaster.seeding.seed import Standby
from shoal.broadcaster.spool import Spooled
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Sources

HURRY_S = 0.05
NEVER_S = 60.0
SEGMENT = Spooled(
    variant=0,
    stream="abc",
    k=1,
    name="stream-abc-1.ts",
    duration=4.0,
    program_date_time="",
    written_at=0.0,
)
TORRENT = cast("Torrent", type("T", (), {"infohash": "00" * 20}))


class SlowUploads:
    """A store that takes a segment after a while."""

    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s

    async def put(self, _segment: Spooled, _data: bytes) -> bool:
        await asyncio.sleep(self._takes_s)
        return True


class LateSeed:
    """A seed that the tracker knows after a while."""

    def __init__(self, after_s: float) -> None:
        self._known_at = time.monotonic() + after_s

    def serves(self, _infohash: str) -> bool:
        return time.monotonic() >= self._known_at


@pytest.mark.parametrize(
    ("store_s", "seed_s", "stored"),
    [
        (0.01, 0.0, True),
        (NEVER_S, 0.0, False),
        (NEVER_S, 3 * HURRY_S, False),
        (3 * HURRY_S, NEVER_S, True),
    ],
    ids=["the store is quick", "silent", "silent, and the seed is late, too", "slow, and no seed"],
)
async def test_a_segment_is_named_as_soon_as_somebody_has_it(
    monkeypatch: pytest.MonkeyPatch, store_s: float, seed_s: float, stored: bool
) -> None:
    monkeypatch.setattr(upload, "HURRY_S", HURRY_S)
    told: list[Spooled] = []
    uploads = cast("Uploads", SlowUploads(store_s))
    standby = cast("Standby", LateSeed(seed_s))
    both = Sources(uploads, standby, told.append)
    async with asyncio.timeout(1):
        assert await both.confirm(SEGMENT, b"", TORRENT) is stored
    assert told == []

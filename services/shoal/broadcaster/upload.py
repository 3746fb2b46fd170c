"""Makes segments available to viewers: from the store or, while that fails, from the seed.

While the store fails, one request at a time probes it, with the oldest segment of the retry queue,
so that requests do not pile up against a store that is down or accepts connections without
answering. When it is back, live segments go straight in again, while the queue is worked off one by
one.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal

from shoal.backoff import Backoff
from shoal.broadcaster.metrics import (
    SPOOL_SEGMENTS,
    STORE_ERRORS,
    STORE_UPLOAD_SECONDS,
    STORED_BYTES,
)
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import live_key
from shoal.broadcaster.torrents import Torrent

STORE_ONLY_S = 1.0
"""after this long without the store, a segment is published as soon as the seed has it; with more,
players would run out of video before they got it from there"""
POLL_S = 0.05
PUT_TIMEOUT_S = 5.0
"""a live segment that the store has not taken by then joins the queue"""
PROBE_FIRST_S = 0.5
PROBE_MAX_S = 5.0

Source = Literal["store", "seed"]


class Uploader:
    """Brings segments to the store, sooner or later, and knows which source has them meanwhile."""

    def __init__(self, store: Store, spool: Spool, seed: TorrentSeed | None) -> None:
        self._store = store
        self._spool = spool
        self._seed = seed
        self._retry_queue = RetryQueue()
        self._uploads: dict[tuple[int, str], asyncio.Task[bool]] = {}
        """of segments that are not in the store, as far as the pipeline knows"""
        self._reported: set[tuple[int, str]] = set()
        """keys of the uploads whose success goes into `stored_late`"""
        self._stored_init_sections: set[tuple[int, str]] = set()
        self.stored_late: asyncio.Queue[SpooledSegment] = asyncio.Queue()
        """what has reached the store after it was published without it"""
        self.fault: str | None = None
        """why the store fails, None while it works"""

    @property
    def healthy(self) -> bool:
        """Whether the store works."""
        return self.fault is None

    @property
    def waiting(self) -> int:
        """Number of segments that wait for the store."""
        return len(self._retry_queue)

    async def make_available(
        self, segment: SpooledSegment, data: bytes, torrent: Torrent | None
    ) -> Source | None:
        """Wait until a source has the segment, and return that source.

        After "seed" the upload goes on: call `report_when_stored` or `withdraw` next. Returns None
        when there will be no source: the segment left the spool in the meantime.
        """
        started_s = time.monotonic()
        upload = asyncio.create_task(self._upload(segment, data))
        self._uploads[_key(segment)] = upload
        while not upload.done():
            late = time.monotonic() - started_s >= STORE_ONLY_S or segment in self._retry_queue
            if late and self._is_seeded(torrent):
                return "seed"
            await asyncio.wait({upload}, timeout=POLL_S)
        del self._uploads[_key(segment)]
        return "store" if upload.result() else None

    def retry_later(self, segment: SpooledSegment) -> None:
        """Upload a segment that an earlier run published without the store."""
        self._uploads[_key(segment)] = asyncio.create_task(self._upload(segment, None))
        self.report_when_stored(segment)

    def report_when_stored(self, segment: SpooledSegment) -> None:
        """Put a segment that was published from the seed in `stored_late` once it is stored."""
        upload = self._uploads[_key(segment)]
        self._reported.add(_key(segment))
        if upload.done():
            self._finish(segment, stored=upload.result())

    async def withdraw(self, segment: SpooledSegment) -> None:
        """Give up an upload whose bytes are not to be published; return when it is over."""
        upload = self._uploads.pop(_key(segment), None)
        self._retry_queue.withdraw(segment)
        if upload is not None:
            await asyncio.wait({upload})

    async def run(self) -> None:
        """Work off the retry queue until cancelled."""
        backoff = Backoff(PROBE_FIRST_S, PROBE_MAX_S)
        while True:
            segment = await self._retry_queue.oldest()
            data = await self._spool.read(segment.variant, segment.name)
            try:
                # no data: it left the window while the store was down, or the spool is damaged
                stored = data is not None and await self._put(segment, data)
            except StoreError as error:
                self._note_failure(str(error))
                self._retry_queue.keep_oldest()
                await backoff.wait()
            else:
                self._retry_queue.remove_oldest(stored=stored)
                backoff.reset()

    async def _upload(self, segment: SpooledSegment, data: bytes | None) -> bool:
        """Store a segment now or when its turn comes; return False if it left the spool before."""
        stored = data is not None and await self._put_now(segment, data)
        if not stored and _key(segment) in self._uploads:  # it was not withdrawn meanwhile
            stored = await self._retry_queue.add(segment)
        self._finish(segment, stored=stored)
        return stored

    def _finish(self, segment: SpooledSegment, *, stored: bool) -> None:
        key = _key(segment)
        if key not in self._reported:
            return
        self._reported.discard(key)
        self._uploads.pop(key, None)
        if stored:
            self.stored_late.put_nowait(segment)

    async def _put_now(self, segment: SpooledSegment, data: bytes) -> bool:
        """Store a live segment now; return False when the store fails or is too slow for that."""
        if not self.healthy:
            return False
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                return await self._put(segment, data)
        except StoreError as error:
            self._note_failure(str(error))
        except TimeoutError:
            self._note_failure(
                f"the store took longer than {PUT_TIMEOUT_S:.0f} s for {segment.name}"
            )
        return False

    async def _put(self, segment: SpooledSegment, data: bytes) -> bool:
        """Store a segment; return False if the spool lacks its init section. Raises StoreError."""
        if segment.init_name and not await self._put_init_section(
            segment.variant, segment.init_name
        ):
            return False
        started_s = time.monotonic()
        await self._store.put_segment(live_key(segment.variant, segment.name), data)
        STORE_UPLOAD_SECONDS.observe(time.monotonic() - started_s)
        STORED_BYTES.inc(len(data))
        self.fault = None
        return True

    async def _put_init_section(self, variant: int, name: str) -> bool:
        if (variant, name) not in self._stored_init_sections:
            data = await self._spool.read_init_section(variant, name)
            if data is None:
                return False
            await self._store.put_segment(live_key(variant, name), data)
            self._stored_init_sections.add((variant, name))
        return True

    def _note_failure(self, message: str) -> None:
        STORE_ERRORS.inc()
        self.fault = message

    def _is_seeded(self, torrent: Torrent | None) -> bool:
        return bool(self._seed and torrent and self._seed.is_available(torrent.infohash))


@dataclass
class _Waiting:
    segment: SpooledSegment
    stored: asyncio.Future[bool]
    withdrawn: bool = False


class RetryQueue:
    """The segments that wait for the store, oldest first. One at a time is tried."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._added = asyncio.Event()
        self._trying = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, segment: SpooledSegment) -> bool:
        return any(_key(waiting.segment) == _key(segment) for waiting in self._waiting)

    def add(self, segment: SpooledSegment) -> asyncio.Future[bool]:
        """Add a segment.

        The future becomes True once the store has it, False when it was given up before that.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(segment, stored))
        SPOOL_SEGMENTS.set(len(self))
        self._added.set()
        return stored

    async def oldest(self) -> SpooledSegment:
        """Return the segment to try next; `remove_oldest` or `keep_oldest` must follow."""
        while not self._waiting:
            self._added.clear()
            await self._added.wait()
        self._trying = True
        return self._waiting[0].segment

    def remove_oldest(self, *, stored: bool) -> None:
        """The attempt is over."""
        self._trying = False
        waiting = self._waiting.popleft()
        SPOOL_SEGMENTS.set(len(self))
        if not waiting.stored.done():
            waiting.stored.set_result(stored and not waiting.withdrawn)

    def keep_oldest(self) -> None:
        """The attempt has failed and will be repeated, unless it was withdrawn meanwhile."""
        self._trying = False
        if self._waiting[0].withdrawn:
            self.remove_oldest(stored=False)

    def withdraw(self, segment: SpooledSegment) -> None:
        """Remove a segment: at once, or after the attempt if one is under way."""
        for waiting in list(self._waiting):
            if _key(waiting.segment) == _key(segment):
                waiting.withdrawn = True
                if not (self._trying and waiting is self._waiting[0]):
                    self._waiting.remove(waiting)
                    SPOOL_SEGMENTS.set(len(self))
                    if not waiting.stored.done():
                        waiting.stored.set_result(False)


def _key(segment: SpooledSegment) -> tuple[int, str]:
    return segment.variant, segment.name

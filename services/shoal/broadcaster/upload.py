"""Makes segments available to viewers: from the store or, while that fails, from the seed."""

import asyncio
from collections.abc import Callable

from shoal.broadcaster.retry_queue import RetryQueue
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import SpooledSegment
from shoal.broadcaster.torrents import Torrent

STORE_ONLY_S = 1.0
"""after this long without the store, a segment is published as soon as the seed has it; with more,
players would run out of video before they got it from there"""
POLL_S = 0.05


class Uploader:
    """Brings segments to the store, sooner or later, and knows which source has them meanwhile."""

    def __init__(
        self,
        retry_queue: RetryQueue,
        seed: TorrentSeed | None,
        on_stored: Callable[[SpooledSegment], None],
    ) -> None:
        """`on_stored` is called once the store has a segment that was published without it."""
        self._retry_queue = retry_queue
        self._seed = seed
        self._on_stored = on_stored
        self._slow_puts: dict[tuple[int, str], asyncio.Task[bool]] = {}
        """uploads that go on after their segment was published"""

    async def make_available(
        self, segment: SpooledSegment, data: bytes, torrent: Torrent | None
    ) -> bool | None:
        """Wait until a source has the segment; return True for the store, False for the seed.

        Returns None when there will be no source: the segment left the spool in the meantime.
        """
        put = asyncio.create_task(self._retry_queue.put_now(segment, data))
        await asyncio.wait({put}, timeout=STORE_ONLY_S)
        while not put.done():
            if self._is_seeded(torrent):
                self._slow_puts[segment.variant, segment.name] = put
                put.add_done_callback(lambda _: self._on_slow_put_done(segment, put))
                return False
            await asyncio.wait({put}, timeout=POLL_S)
        if put.result():
            return True
        retried = self.retry_later(segment)
        while not retried.done():
            if self._is_seeded(torrent):
                return False
            await asyncio.wait({retried}, timeout=POLL_S)
        return retried.result() or None

    def retry_later(self, segment: SpooledSegment) -> asyncio.Future[bool]:
        """Add a segment to the retry queue, and call `on_stored` once the store has it."""
        stored = self._retry_queue.add(segment)
        stored.add_done_callback(lambda done: self._on_stored(segment) if done.result() else None)
        return stored

    async def until_uploaded(self, segment: SpooledSegment) -> None:
        """Wait until no upload of the segment is in progress."""
        slow = self._slow_puts.get((segment.variant, segment.name))
        if slow is not None:
            await slow

    def _is_seeded(self, torrent: Torrent | None) -> bool:
        return bool(self._seed and torrent and self._seed.is_available(torrent.infohash))

    def _on_slow_put_done(self, segment: SpooledSegment, put: asyncio.Task[bool]) -> None:
        del self._slow_puts[segment.variant, segment.name]
        if put.cancelled():
            return
        if put.result():
            self._on_stored(segment)
        else:
            self.retry_later(segment)

"""Says when viewers can have a segment: from the store, or, while that fails, from the seed."""

import asyncio
from collections.abc import Callable

from shoal.broadcaster.retry_queue import Uploads
from shoal.broadcaster.seeding.seed import Standby
from shoal.broadcaster.spool import Spooled
from shoal.broadcaster.torrents import Torrent

HURRY_S = 1.0
"""a segment that the store has not taken by then is published once the seeder serves it; if it were
longer, players would run dry before they have it from there"""
POLL_S = 0.05


class Sources:
    """Brings segments to the store, sooner or later, and knows who has them meanwhile."""

    def __init__(
        self, uploads: Uploads, standby: Standby | None, on_stored: Callable[[Spooled], None]
    ) -> None:
        """`on_stored` is told of a segment that was published without the store, once it has it."""
        self._uploads = uploads
        self._standby = standby
        self._on_stored = on_stored
        self._slow: dict[tuple[int, str], asyncio.Task[bool]] = {}
        """uploads that go on after their segment was published"""

    async def confirm(self, segment: Spooled, data: bytes, torrent: Torrent | None) -> bool | None:
        """Wait until a source has the segment: true the store, false only the seeder.

        None when there is none: the segment has left the spool while it waited.
        """
        put = asyncio.create_task(self._uploads.put(segment, data))
        await asyncio.wait({put}, timeout=HURRY_S)
        while not put.done():
            if self._serves(torrent):
                self._slow[segment.variant, segment.name] = put
                put.add_done_callback(lambda _: self._on_slow(segment, put))
                return False
            await asyncio.wait({put}, timeout=POLL_S)
        if put.result():
            return True
        later = self.store_later(segment)
        while not later.done():
            if self._serves(torrent):
                return False
            await asyncio.wait({later}, timeout=POLL_S)
        return later.result() or None

    def store_later(self, segment: Spooled) -> asyncio.Future[bool]:
        """Put a segment into the backlog; once the store has it `on_stored` is told."""
        stored = self._uploads.queue(segment)
        stored.add_done_callback(lambda _: self._on_stored(segment))
        return stored

    async def uploaded(self, segment: Spooled) -> None:
        """Wait until no upload of a segment is under way."""
        slow = self._slow.get((segment.variant, segment.name))
        if slow is not None:
            await slow

    def _serves(self, torrent: Torrent | None) -> bool:
        return bool(self._standby and torrent and self._standby.serves(torrent.infohash))

    def _on_slow(self, segment: Spooled, put: asyncio.Task[bool]) -> None:
        del self._slow[segment.variant, segment.name]
        if put.cancelled():
            return
        if put.result():
            self._on_stored(segment)
        else:
            self.store_later(segment)

"""Brings segments to the store: at once while it works, in order from a backlog when it does not.

While the store fails, one request at a time probes it, with the oldest segment of the backlog: no
pile of requests stands against a store that is down or half-open. When it is back, live segments go
straight in again, beside the backlog that is made up for one by one.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from shoal.backoff import Backoff
from shoal.broadcaster.metrics import (
    SPOOL_SEGMENTS,
    STORE_ERRORS,
    STORE_UPLOAD_SECONDS,
    STORED_BYTES,
)
from shoal.broadcaster.spool import Spool, Spooled
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import key_of

log = logging.getLogger("shoal.broadcaster")

PATIENCE_S = 5.0
"""a live segment that the store has not taken by then is published from the seeder"""
PROBE_FIRST_S = 0.5
PROBE_MAX_S = 5.0


class Uploads:
    """The way into the store."""

    def __init__(self, store: Store, spool: Spool, on_fault: Callable[[str | None], None]) -> None:
        """`on_fault` is told what the store says when it fails, and None when it works again."""
        self._store = store
        self._spool = spool
        self._on_fault = on_fault
        self._backlog: deque[tuple[Spooled, asyncio.Future[bool]]] = deque()
        self._more = asyncio.Event()
        self._maps: set[Path] = set()
        self.healthy = True

    @property
    def depth(self) -> int:
        """Segments that wait for the store."""
        return len(self._backlog)

    async def put(self, segment: Spooled, data: bytes) -> bool:
        """Store a live segment now; False when the store fails or is too slow for that."""
        if not self.healthy:
            return False
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._put(segment, data)
        except StoreError as error:
            self._failed(str(error))
        except TimeoutError:
            self._failed(f"the store took longer than {PATIENCE_S:.0f} s for {segment.name}")
        else:
            return True
        return False

    def queue(self, segment: Spooled) -> asyncio.Future[bool]:
        """Put a segment into the backlog.

        The future becomes true once the store has it, and false when its file was gone before.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._backlog.append((segment, stored))
        SPOOL_SEGMENTS.set(self.depth)
        self._more.set()
        return stored

    async def run(self) -> None:
        """Work off the backlog until cancelled."""
        backoff = Backoff(PROBE_FIRST_S, PROBE_MAX_S)
        while True:
            if not self._backlog:
                self._more.clear()
                await self._more.wait()
            segment, stored = self._backlog[0]
            path = self._spool.path(segment.variant, segment.name)
            try:
                data = await asyncio.to_thread(path.read_bytes)
                await self._put(segment, data)
                taken = True
            except FileNotFoundError:
                taken = False  # it has left the window while the store was away
            except StoreError as error:
                self._failed(str(error))
                await backoff.wait()
                continue
            backoff.reset()
            self._backlog.popleft()
            SPOOL_SEGMENTS.set(self.depth)
            if not stored.done():
                stored.set_result(taken)

    async def _put(self, segment: Spooled, data: bytes) -> None:
        if segment.map_name:
            await self._put_map(segment.variant, segment.map_name)
        begun = time.monotonic()
        await self._store.put_segment(key_of(segment.variant, segment.name), data)
        STORE_UPLOAD_SECONDS.observe(time.monotonic() - begun)
        STORED_BYTES.inc(len(data))
        if not self.healthy:
            self.healthy = True
            self._on_fault(None)

    async def _put_map(self, variant: int, name: str) -> None:
        path = self._spool.path(variant, name)
        if path not in self._maps:
            data = await asyncio.to_thread(path.read_bytes)
            await self._store.put_segment(key_of(variant, name), data)
            self._maps.add(path)

    def _failed(self, message: str) -> None:
        STORE_ERRORS.inc()
        self.healthy = False
        self._on_fault(message)

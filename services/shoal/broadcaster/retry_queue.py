"""Brings segments to the store: at once while it works, from a queue in order when it does not.

While the store fails, one request at a time probes it, with the oldest segment of the queue, so
that requests do not pile up against a store that is down or accepts connections without answering.
When it is back, live segments go straight in again, while the queue is worked off one by one.
"""

import asyncio
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
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import live_key

PUT_TIMEOUT_S = 5.0
"""a live segment that the store has not taken by then joins the queue"""
PROBE_FIRST_S = 0.5
PROBE_MAX_S = 5.0


class RetryQueue:
    """The way into the store, and the segments that wait for it."""

    def __init__(self, store: Store, spool: Spool, on_fault: Callable[[str | None], None]) -> None:
        """`on_fault` is called with the error when the store fails, with None when it recovers."""
        self._store = store
        self._spool = spool
        self._on_fault = on_fault
        self._waiting: deque[tuple[SpooledSegment, asyncio.Future[bool]]] = deque()
        self._added = asyncio.Event()
        self._stored_init_sections: set[Path] = set()
        self.healthy = True

    @property
    def depth(self) -> int:
        """Number of segments that wait for the store."""
        return len(self._waiting)

    async def put_now(self, segment: SpooledSegment, data: bytes) -> bool:
        """Store a live segment now; return False when the store fails or is too slow for that."""
        if not self.healthy:
            return False
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                await self._put(segment, data)
        except StoreError as error:
            self._on_failure(str(error))
        except TimeoutError:
            self._on_failure(f"the store took longer than {PUT_TIMEOUT_S:.0f} s for {segment.name}")
        else:
            return True
        return False

    def add(self, segment: SpooledSegment) -> asyncio.Future[bool]:
        """Add a segment to the queue.

        The future becomes True once the store has it, False when its file was gone before that.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((segment, stored))
        SPOOL_SEGMENTS.set(self.depth)
        self._added.set()
        return stored

    async def run(self) -> None:
        """Work off the queue until cancelled."""
        backoff = Backoff(PROBE_FIRST_S, PROBE_MAX_S)
        while True:
            if not self._waiting:
                self._added.clear()
                await self._added.wait()
            segment, stored = self._waiting[0]
            path = self._spool.path(segment.variant, segment.name)
            try:
                data = await asyncio.to_thread(path.read_bytes)
                await self._put(segment, data)
                in_store = True
            except FileNotFoundError:
                in_store = False  # it left the window while the store was down
            except StoreError as error:
                self._on_failure(str(error))
                await backoff.wait()
                continue
            backoff.reset()
            self._waiting.popleft()
            SPOOL_SEGMENTS.set(self.depth)
            if not stored.done():
                stored.set_result(in_store)

    async def _put(self, segment: SpooledSegment, data: bytes) -> None:
        if segment.init_name:
            await self._put_init_section(segment.variant, segment.init_name)
        started_s = time.monotonic()
        await self._store.put_segment(live_key(segment.variant, segment.name), data)
        STORE_UPLOAD_SECONDS.observe(time.monotonic() - started_s)
        STORED_BYTES.inc(len(data))
        if not self.healthy:
            self.healthy = True
            self._on_fault(None)

    async def _put_init_section(self, variant: int, name: str) -> None:
        path = self._spool.path(variant, name)
        if path not in self._stored_init_sections:
            data = await asyncio.to_thread(path.read_bytes)
            await self._store.put_segment(live_key(variant, name), data)
            self._stored_init_sections.add(path)

    def _on_failure(self, message: str) -> None:
        STORE_ERRORS.inc()
        self.healthy = False
        self._on_fault(message)

"""From a complete segment to its name in the playlist: hash, store, publish, in order."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from shoal.broadcaster.folder import Folder, FoundSegment
from shoal.broadcaster.problems import Problems
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store, object_key
from shoal.broadcaster.timeline import WINDOW_SEGMENTS, Timeline
from shoal.segments import Descriptor, piece_hashes, piece_size_for

log = logging.getLogger("shoal.broadcaster")


class Publisher:
    """One queue a rendition: its segments are published in order, renditions side by side."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        state: StateFile,
        store: Store,
        folder: Folder,
        problems: Problems,
        media_url: str,
        on_published: Callable[[Descriptor], None],
    ) -> None:
        self._timeline = timeline
        self._state = state
        self._store = store
        self._folder = folder
        self._problems = problems
        self._media_url = media_url
        self._on_published = on_published
        self._queues: dict[int, asyncio.Queue[FoundSegment]] = {}
        self._storing: set[str] = set()
        self.lost = 0
        """segments that had to be dropped because the store took none for too long"""

    def offer(self, segment: FoundSegment, tasks: asyncio.TaskGroup) -> None:
        """Queue a segment; the first of a rendition starts its worker in `tasks`."""
        queue = self._queues.get(segment.variant)
        if queue is None:
            queue = self._queues[segment.variant] = asyncio.Queue(WINDOW_SEGMENTS)
            tasks.create_task(self._work(queue))
        if queue.full():
            queue.get_nowait()
            self.lost += 1
        queue.put_nowait(segment)

    async def _work(self, queue: asyncio.Queue[FoundSegment]) -> None:
        while True:
            await self._publish(await queue.get())

    async def _publish(self, segment: FoundSegment) -> None:
        name = segment.path.name
        key = object_key(segment.variant, name)
        data = segment.data
        while True:
            hashes = asyncio.create_task(asyncio.to_thread(_hashes, data))
            await self._put(key, data)
            sha256, piece_size, pieces = await hashes
            if self._folder.is_unchanged(segment):
                break
            # it was still being written after all; nobody has seen the object yet
            changed = await asyncio.to_thread(self._folder.read_again, segment)
            if changed is None:
                break
            segment, data = changed, changed.data
        sequence = self._timeline.sequence_of(segment.name.stream, segment.name.k)
        if not self._timeline.is_due(segment.variant, sequence):
            return
        descriptor = Descriptor(
            variant=segment.variant,
            sequence=sequence,
            name=name,
            url=f"{self._media_url}/{key}",
            size=len(data),
            duration=segment.duration,
            program_date_time=segment.program_date_time,
            discontinuity=self._timeline.is_discontinuity(sequence),
            sha256=sha256,
            piece_size=piece_size,
            pieces=pieces,
        )
        self._timeline.publish(descriptor)
        self._save()
        self._on_published(descriptor)

    async def _put(self, key: str, data: bytes) -> None:
        def fault(message: str) -> None:
            self._storing.add(key)
            self._problems.report(
                "store",
                f"cannot store segments: {message}",
                severity="failing",
                now=datetime.now(UTC).isoformat(),
            )

        await self._store.put(key, data, fault)
        self._storing.discard(key)
        if not self._storing:
            self._problems.clear("store")

    def _save(self) -> None:
        try:
            self._state.save(self._timeline)
        except OSError as error:
            self._problems.report(
                "state",
                f"cannot write the broadcaster's state: {error}; a restart would repeat"
                " media sequence numbers: free space, or give us the folder back",
                severity="failing",
                now=datetime.now(UTC).isoformat(),
            )
        else:
            self._problems.clear("state")


def _hashes(data: bytes) -> tuple[str, int, tuple[str, ...]]:
    piece_size = piece_size_for(len(data))
    return hashlib.sha256(data).hexdigest(), piece_size, piece_hashes(data, piece_size)

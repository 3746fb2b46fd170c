"""From a complete segment to its name in the playlist: spool, hash, store, publish, in order."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from shoal.broadcaster.hls_watcher import FoundSegment, newest
from shoal.broadcaster.metrics import (
    LAST_SEGMENT_TIMESTAMP,
    PUBLISH_DELAY_SECONDS,
    SEGMENTS_DEGRADED,
    SEGMENTS_LATE,
    SEGMENTS_LOST,
    SEGMENTS_PUBLISHED,
    SEGMENTS_SEEN,
)
from shoal.broadcaster.owncast_playlist import SegmentName
from shoal.broadcaster.retry_queue import Uploads
from shoal.broadcaster.seeding.seed import Standby
from shoal.broadcaster.spool import Spool, Spooled
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.timeline import Entry, Expired, Timeline, key_of
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Sources
from shoal.problems import Problems
from shoal.segments import Descriptor, piece_hashes, piece_size_for

log = logging.getLogger("shoal.broadcaster")

NS_PER_S = 1e9

Queue = asyncio.Queue[tuple[Spooled, bytes | None]]
"""segments to publish; with their bytes only where the spool could not keep them"""


class Publisher:
    """One queue a rendition: its segments are published in order, renditions side by side."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        state: StateFile,
        spool: Spool,
        uploads: Uploads,
        problems: Problems,
        media_url: str,
        named: Callable[[], Collection[int]],
        standby: Standby | None,
        on_published: Callable[[], None],
    ) -> None:
        self._timeline = timeline
        self._state = state
        self._spool = spool
        self._sources = Sources(uploads, standby, self._note_stored)
        self._problems = problems
        self._media_url = media_url
        self._named = named
        self._standby = standby
        self._on_published = on_published
        self._queues: dict[int, Queue] = {}
        self._held: dict[tuple[int, SegmentName], FoundSegment | None] = {}
        """segments on their way to a playlist, with what was read of Owncast's file, less the bytes
        (None: it was found in the spool)"""

    def wanted(self, variant: int, name: SegmentName) -> bool:
        """Say whether a segment that Owncast lists is still to be read."""
        sequence = self._timeline.sequence_of(name.stream, name.k)
        return (variant, name) not in self._held and self._timeline.is_due(variant, sequence)

    @property
    def idle(self) -> bool:
        """Whether no segment is on its way to a playlist."""
        return not self._held

    def resume(self, tasks: asyncio.TaskGroup) -> None:
        """Go on with what an earlier run left in the spool."""
        published = {
            (descriptor.variant, descriptor.name): entry
            for rendition in self._timeline.renditions.values()
            for entry in rendition.entries
            if (descriptor := entry.descriptor) is not None
        }
        for segment in self._spool.load():
            entry = published.get((segment.variant, segment.name))
            if entry is not None:
                if not entry.stored:
                    self._sources.store_later(segment)
            elif self.wanted(segment.variant, segment.segment):
                self._enqueue(segment, None, tasks)
            else:
                # never published, but perhaps uploaded: without this nobody would delete it
                key = key_of(segment.variant, segment.name)
                self._timeline.expired.append(Expired(key, time.time()))
                self._spool.remove(segment.variant, segment.name)

    async def offer(self, found: FoundSegment, tasks: asyncio.TaskGroup) -> None:
        """Take a segment from Owncast's folder: spool it, then queue it."""
        SEGMENTS_SEEN.inc()
        spooled = _spooled(found)
        kept = await self._keep(spooled, found)
        # the bytes are read from the spool again: a queue that the store holds up stays small
        self._enqueue(spooled, None if kept else found.data, tasks, replace(found, data=b""))

    def _enqueue(
        self,
        segment: Spooled,
        data: bytes | None,
        tasks: asyncio.TaskGroup,
        source: FoundSegment | None = None,
    ) -> None:
        """Queue a segment; the first of a rendition starts its worker in `tasks`."""
        self._held[segment.variant, segment.segment] = source
        queue = self._queues.get(segment.variant)
        if queue is None:
            queue = self._queues[segment.variant] = asyncio.Queue()
            tasks.create_task(self._work(queue))
        queue.put_nowait((segment, data))

    async def _work(self, queue: Queue) -> None:
        while True:
            segment, data = await queue.get()
            if data is None:
                path = self._spool.path(segment.variant, segment.name)
                data = await asyncio.to_thread(path.read_bytes)
            await self._publish(segment, data)
            del self._held[segment.variant, segment.segment]

    async def _keep(self, segment: Spooled, found: FoundSegment) -> bool:
        """Spool a segment; without a spool it can still go straight to the store."""
        try:
            await asyncio.to_thread(self._spool.write, segment, found.data, found.map_data)
        except OSError as error:
            self._problems.report(
                "spool",
                f"cannot write {self._spool.folder}: {error.strerror}: free space, or mend its"
                " mode; what the store does not take at once is lost",
                "failing",
            )
            return False
        self._problems.clear("spool")
        return True

    async def _publish(self, segment: Spooled, data: bytes) -> None:
        sequence = self._timeline.sequence_of(segment.stream, segment.k)
        begun_s = time.monotonic()
        hashes = asyncio.create_task(asyncio.to_thread(_hashes, data))
        torrent = await self._seed(segment, data)
        stored = await self._sources.confirm(segment, data, torrent)
        if stored is None:
            SEGMENTS_LOST.inc()
            self._drop(segment, torrent)
            return
        stored_ms = (time.monotonic() - begun_s) * 1000
        source = self._held[segment.variant, segment.segment]
        if source is not None and (now := await asyncio.to_thread(newest, source)) is not source:
            # it was still being written after all; nobody has seen anything of it yet
            self._held[segment.variant, segment.segment] = replace(now, data=b"")
            self._drop(segment, torrent)
            # or its bytes might replace the right ones
            await self._sources.uploaded(segment)
            again = _spooled(now)
            await self._keep(again, now)
            await self._publish(again, now.data)
            return
        sha256, piece_size, pieces = await hashes
        if not self._timeline.is_due(segment.variant, sequence):
            SEGMENTS_LATE.inc()
            self._timeline.expired.append(Expired(key_of(segment.variant, segment.name), 0))
            self._drop(segment, torrent)
            return
        descriptor = Descriptor(
            variant=segment.variant,
            sequence=sequence,
            name=segment.name,
            url=self._url(segment),
            size=len(data),
            duration=segment.duration,
            program_date_time=segment.program_date_time,
            discontinuity=self._timeline.is_discontinuity(sequence),
            sha256=sha256,
            piece_size=piece_size,
            pieces=pieces,
            infohash=torrent.infohash if torrent else None,
            magnet=torrent.magnet if torrent else None,
            stored=stored,
        )
        entry = Entry(
            sequence=sequence,
            duration=segment.duration,
            descriptor=descriptor,
            map_name=segment.map_name,
            stored=stored,
        )
        left = self._timeline.publish(entry, time.time(), self._named())
        self.save()
        for gone in left:
            if gone.descriptor is not None:
                if self._standby and gone.descriptor.infohash:
                    self._standby.remove(gone.descriptor.infohash)
                self._spool.remove(gone.descriptor.variant, gone.descriptor.name)
        SEGMENTS_PUBLISHED.inc()
        SEGMENTS_DEGRADED.inc(not stored)
        LAST_SEGMENT_TIMESTAMP.set_to_current_time()
        PUBLISH_DELAY_SECONDS.observe(max(0.0, time.time() - segment.written_at))
        log.info(
            "published %s as %d of rendition %d: %.1f s, %.1f KB, %s in %.0f ms",
            segment.name,
            sequence,
            segment.variant,
            segment.duration,
            len(data) / 1000,
            "stored" if stored else "seeded, NOT stored,",
            stored_ms,
        )
        self._on_published()

    async def _seed(self, segment: Spooled, data: bytes) -> Torrent | None:
        """Seed a segment from the spool, where there is a standby and the spool has it."""
        path = self._spool.path(segment.variant, segment.name)
        if self._standby is None or not path.exists():
            return None
        return await self._standby.seed(path, data, self._url(segment))

    def _drop(self, segment: Spooled, torrent: Torrent | None) -> None:
        """Forget a segment that is not published."""
        if self._standby and torrent:
            self._standby.remove(torrent.infohash)
        self._spool.remove(segment.variant, segment.name)

    def _url(self, segment: Spooled) -> str:
        return f"{self._media_url}/{key_of(segment.variant, segment.name)}"

    async def seed_window(self) -> None:
        """Seed what an earlier run published and the spool still has."""
        for rendition in list(self._timeline.renditions.values()):
            for descriptor in rendition.descriptors():
                path = self._spool.path(descriptor.variant, descriptor.name)
                if self._standby and descriptor.infohash and path.exists():
                    data = await asyncio.to_thread(path.read_bytes)
                    await self._standby.seed(path, data, descriptor.url)

    def _note_stored(self, segment: Spooled) -> None:
        """Note that the store has a segment that was published without it."""
        sequence = self._timeline.sequence_of(segment.stream, segment.k)
        self._timeline.confirm(segment.variant, sequence)
        self.save()

    def save(self) -> None:
        """Put the timeline on disk; a disk that does not take it is a problem, not the end."""
        try:
            self._state.save(self._timeline)
        except OSError as error:
            self._problems.report(
                "state",
                f"cannot write the broadcaster's state: {error}; a restart would repeat"
                " media sequence numbers: free space, or give us the folder back",
                "failing",
            )
        else:
            self._problems.clear("state")


def _spooled(found: FoundSegment) -> Spooled:
    map_name: str | None = None
    if found.map_data is not None:
        # Owncast may use the name again for other bytes: a URL must not
        digest = hashlib.sha256(found.map_data).hexdigest()[:8]
        map_name = f"{found.name.stream}-{digest}-init.mp4"
    return Spooled(
        variant=found.variant,
        stream=found.name.stream,
        k=found.name.k,
        name=found.path.name,
        duration=found.duration,
        program_date_time=found.program_date_time,
        written_at=found.signature[2] / NS_PER_S,
        map_name=map_name,
    )


def _hashes(data: bytes) -> tuple[str, int, tuple[str, ...]]:
    piece_size = piece_size_for(len(data))
    return hashlib.sha256(data).hexdigest(), piece_size, piece_hashes(data, piece_size)

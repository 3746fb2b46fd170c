"""From a complete segment to its entry in the playlist: spool, hash, store, publish, in order."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from shoal.broadcaster.containers import is_whole
from shoal.broadcaster.hls_watcher import SourceSegment, reread_if_changed
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
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.timeline import Timeline, TimelineEntry, live_key
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problems
from shoal.segments import Descriptor, piece_hashes, piece_size_for

log = logging.getLogger("shoal.broadcaster")

NS_PER_S = 1e9

Queue = asyncio.Queue[tuple[SpooledSegment, bytes | None]]
"""segments to publish; with their bytes only when the spool could not store them"""


class Pipeline:
    """One queue per variant: its segments are published in order, variants in parallel."""

    def __init__(
        self,
        *,
        timeline: Timeline,
        state: StateFile,
        spool: Spool,
        uploader: Uploader,
        problems: Problems,
        media_url: str,
        listed_variants: Callable[[], Collection[int]],
        seed: TorrentSeed | None,
        on_published: Callable[[], None],
    ) -> None:
        """`listed_variants()` returns the variants in Owncast's multivariant playlist."""
        self._timeline = timeline
        self._state = state
        self._spool = spool
        self._uploader = uploader
        self._problems = problems
        self._media_url = media_url
        self._listed_variants = listed_variants
        self._seed = seed
        self._on_published = on_published
        self._queues: dict[int, Queue] = {}
        self._in_progress: dict[tuple[int, SegmentName], SourceSegment | None] = {}
        """segments on their way to a playlist, with what was read of Owncast's file except its
        bytes (None: it was loaded from the spool)"""

    def is_due(self, variant: int, name: SegmentName) -> bool:
        """Number a segment that Owncast lists; return whether it is still to be read."""
        if self._timeline.sequence_of(name.stream, name.index) is None:
            self._timeline.open_stream(name.stream, name.index)
            # what is spooled of it is published after a crash only if the stream is known then
            self.save()
        sequence = self._timeline.assign(name.stream, name.index)
        return (variant, name) not in self._in_progress and self._timeline.is_due(variant, sequence)

    @property
    def idle(self) -> bool:
        """Whether no segment is on its way to a playlist."""
        return not self._in_progress

    def resume(self, tasks: asyncio.TaskGroup) -> None:
        """Continue with what an earlier run left in the spool."""
        published = {
            (descriptor.variant, descriptor.name): entry
            for window in self._timeline.windows.values()
            for entry in window.entries
            if (descriptor := entry.descriptor) is not None
        }
        for segment in self._spool.load():
            entry = published.get((segment.variant, segment.name))
            if entry is not None:
                if not entry.stored:
                    self._uploader.retry_later(segment)
                continue
            sequence = self._timeline.sequence_of(segment.stream, segment.index)
            if sequence is not None and self._timeline.is_due(segment.variant, sequence):
                self._enqueue(segment, None, tasks)
            else:
                # never published, but perhaps uploaded: nothing else would delete the object
                self._timeline.expire_now(segment.variant, segment.name)
                self._spool.remove(segment.variant, segment.name)

    async def submit(self, source: SourceSegment, tasks: asyncio.TaskGroup) -> None:
        """Spool a segment from Owncast's folder, then queue it."""
        SEGMENTS_SEEN.inc()
        spooled = _spooled_segment(source)
        in_spool = await self._spool.write(spooled, source.data, source.init_data)
        # the bytes are read back from the spool: a queue that waits for the store stays small
        self._enqueue(spooled, None if in_spool else source.data, tasks, replace(source, data=b""))

    def _enqueue(
        self,
        segment: SpooledSegment,
        data: bytes | None,
        tasks: asyncio.TaskGroup,
        source: SourceSegment | None = None,
    ) -> None:
        """Queue a segment; the first one of a variant starts the task of its queue in `tasks`."""
        self._in_progress[segment.variant, segment.segment_name] = source
        queue = self._queues.get(segment.variant)
        if queue is None:
            queue = self._queues[segment.variant] = asyncio.Queue()
            tasks.create_task(self._process_queue(queue))
        queue.put_nowait((segment, data))

    async def _process_queue(self, queue: Queue) -> None:
        while True:
            segment, data = await queue.get()
            if data is None:
                data = await self._spool.read(segment.variant, segment.name)
            if data is not None and is_whole(segment.name, data):
                await self._process(segment, data)
            else:
                SEGMENTS_LOST.inc()
                log.warning("lost %s: it cannot be read back from the spool", segment.name)
                self._discard(segment, None)
            del self._in_progress[segment.variant, segment.segment_name]

    async def _process(self, segment: SpooledSegment, data: bytes) -> None:
        sequence = self._timeline.sequence_of(segment.stream, segment.index)
        started_s = time.monotonic()
        hashes = asyncio.create_task(asyncio.to_thread(_hash_segment, data))
        torrent = await self._start_seeding(segment, data)
        available_from = await self._uploader.make_available(segment, data, torrent)
        if available_from is None:
            SEGMENTS_LOST.inc()
            self._discard(segment, torrent)
            return
        upload_ms = (time.monotonic() - started_s) * 1000
        source = self._in_progress[segment.variant, segment.segment_name]
        if (
            source is not None
            and (reread := await asyncio.to_thread(reread_if_changed, source)) is not source
        ):
            # it was still being written after all; no viewer has seen any of it yet
            self._in_progress[segment.variant, segment.segment_name] = replace(reread, data=b"")
            self._discard(segment, torrent)
            # an upload of the old bytes could overwrite the new ones
            await self._uploader.withdraw(segment)
            spooled = _spooled_segment(reread)
            await self._spool.write(spooled, reread.data, reread.init_data)
            await self._process(spooled, reread.data)
            return
        sha256, piece_size, pieces = await hashes
        if sequence is None or not self._timeline.is_due(segment.variant, sequence):
            SEGMENTS_LATE.inc()
            self._timeline.expire_now(segment.variant, segment.name)
            self._discard(segment, torrent)
            await self._uploader.withdraw(segment)
            return
        stored = available_from == "store"
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
        entry = TimelineEntry(
            sequence=sequence,
            duration=segment.duration,
            descriptor=descriptor,
            init_name=segment.init_name,
            stored=stored,
        )
        removed = self._timeline.append(entry, time.time(), self._listed_variants())
        self.save()
        if not stored:
            self._uploader.report_when_stored(segment)
        for old in removed:
            if old.descriptor is not None:
                if self._seed and old.descriptor.infohash:
                    self._seed.remove(old.descriptor.infohash)
                self._spool.remove(old.descriptor.variant, old.descriptor.name)
        SEGMENTS_PUBLISHED.inc()
        SEGMENTS_DEGRADED.inc(not stored)
        LAST_SEGMENT_TIMESTAMP.set_to_current_time()
        PUBLISH_DELAY_SECONDS.observe(max(0.0, time.time() - segment.written_at))
        log.info(
            "published %s as %d of variant %d: %.1f s, %.1f KB, %s after %.0f ms",
            segment.name,
            sequence,
            segment.variant,
            segment.duration,
            len(data) / 1000,
            "stored" if stored else "seeded but NOT stored",
            upload_ms,
        )
        self._on_published()

    async def _start_seeding(self, segment: SpooledSegment, data: bytes) -> Torrent | None:
        """Seed a segment from the spool, if there is a seed and the spool has it."""
        path = self._spool.path(segment.variant, segment.name)
        if self._seed is None or not path.exists():
            return None
        return await self._seed.add(path, data, self._url(segment))

    def _discard(self, segment: SpooledSegment, torrent: Torrent | None) -> None:
        """Remove a segment that is not published from seed and spool."""
        if self._seed and torrent:
            self._seed.remove(torrent.infohash)
        self._spool.remove(segment.variant, segment.name)

    def _url(self, segment: SpooledSegment) -> str:
        return f"{self._media_url}/{live_key(segment.variant, segment.name)}"

    async def seed_window(self) -> None:
        """Seed what an earlier run published and the spool still has."""
        for window in list(self._timeline.windows.values()):
            for descriptor in window.descriptors():
                if self._seed is None or not descriptor.infohash:
                    continue
                data = await self._spool.read(descriptor.variant, descriptor.name)
                if data is not None and is_whole(descriptor.name, data):
                    path = self._spool.path(descriptor.variant, descriptor.name)
                    await self._seed.add(path, data, descriptor.url)

    async def mark_stored(self) -> None:
        """Note what has reached the store after it was published without it, until cancelled."""
        while True:
            segment = await self._uploader.stored_late.get()
            self._timeline.mark_stored(segment.variant, segment.name)
            self.save()

    def save(self) -> None:
        """Write the timeline to disk; if that fails, report a problem and go on."""
        try:
            self._state.save(self._timeline)
        except OSError as error:
            self._problems.report(
                "state",
                f"cannot write the broadcaster's state: {error}; after a restart media sequence"
                " numbers would repeat: free disk space or give us back write access",
                "failing",
            )
        else:
            self._problems.clear("state")


def _spooled_segment(source: SourceSegment) -> SpooledSegment:
    init_name: str | None = None
    if source.init_data is not None:
        # Owncast may reuse the name for other bytes, but a URL always means the same bytes
        digest = hashlib.sha256(source.init_data).hexdigest()[:8]
        init_name = f"{source.name.stream}-{digest}-init.mp4"
    return SpooledSegment(
        variant=source.variant,
        stream=source.name.stream,
        index=source.name.index,
        name=source.path.name,
        duration=source.duration,
        program_date_time=source.program_date_time,
        written_at=source.signature[2] / NS_PER_S,
        init_name=init_name,
    )


def _hash_segment(data: bytes) -> tuple[str, int, tuple[str, ...]]:
    piece_size = piece_size_for(len(data))
    return hashlib.sha256(data).hexdigest(), piece_size, piece_hashes(data, piece_size)

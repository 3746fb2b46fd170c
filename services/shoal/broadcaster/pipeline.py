"""One segment's way from Owncast's folder to the playlist, stage by stage.

`Pipeline.run` has stages 1 to 4, for all variants. It fills one queue for each variant, from which
`Pipeline._process` takes stages 5 to 12: segments of a variant are published in order, variants in
parallel. Stages do not call each other, nor back. Whoever wants to know what is published waits for
a change, then reads the timeline.
"""

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass, replace

from shoal.aio import Changes
from shoal.broadcaster.hls_watcher import (
    HlsWatcher,
    SegmentKey,
    SourceSegment,
    is_whole,
    reread_if_changed,
)
from shoal.broadcaster.metrics import (
    LAST_SEGMENT_TIMESTAMP,
    PUBLISH_DELAY_SECONDS,
    SEGMENTS_DEGRADED,
    SEGMENTS_LATE,
    SEGMENTS_PUBLISHED,
    SEGMENTS_SEEN,
)
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.timeline import Timeline, TimelineEntry, live_key
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Source, Uploader
from shoal.segments import Descriptor, piece_hashes, piece_size_for

log = logging.getLogger("shoal.broadcaster")

POLL_S = 0.01
REREAD_S = 2.0
"""how long a file that was written again after it had been read may stay cut off"""
NS_PER_S = 1e9


@dataclass(frozen=True)
class NumberedSegment:
    """A segment in a variant's queue."""

    spooled: SpooledSegment
    sequence: int
    data: bytes | None = None
    """only when the spool could not keep it: a queue that waits for the store stays small"""
    source: SourceSegment | None = None
    """what was read of Owncast's file, except its bytes; None: an earlier run left it"""

    @property
    def key(self) -> SegmentKey:
        """Variant and name."""
        return self.spooled.variant, self.spooled.segment_name


@dataclass(frozen=True)
class Hashes:
    """SHA-256 of a segment, as a whole (hex) and of its pieces (base64)."""

    sha256: str
    piece_size: int
    pieces: tuple[str, ...]


class Pipeline:
    """The stages, and the segments that are between them."""

    def __init__(
        self,
        *,
        watcher: HlsWatcher,
        timeline: Timeline,
        state: StateFile,
        spool: Spool,
        uploader: Uploader,
        seed: TorrentSeed | None,
        media_url: str,
        changes: Changes,
    ) -> None:
        self._watcher = watcher
        self._timeline = timeline
        self._state = state
        self._spool = spool
        self._uploader = uploader
        self._seed = seed
        self._media_url = media_url
        self._changes = changes
        self._queues: dict[int, asyncio.Queue[NumberedSegment]] = {}
        self._in_progress: set[SegmentKey] = set()
        """what has been read and is neither published nor given up"""
        self.lost = 0
        """segments that were given up after they had been read"""
        self.published_at_s: float | None = None
        """when this process last published a segment, by the monotonic clock"""

    @property
    def idle(self) -> bool:
        """Whether no segment is on its way to a playlist."""
        return not self._in_progress

    async def run(self) -> None:
        """Publish what Owncast writes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._resume(tasks)
            tasks.create_task(self._seed_window())
            tasks.create_task(self._note_stored())
            while True:
                for listed in self._watcher.scan():  # 1
                    self._number(listed)  # 2
                due = self._due()
                for source in self._watcher.read(due, time.monotonic()):  # 3
                    SEGMENTS_SEEN.inc()
                    sequence = due[source.variant, source.name]
                    self._enqueue(await self._write_to_spool(source, sequence), tasks)  # 4
                await asyncio.sleep(POLL_S)

    async def _process(self, segment: NumberedSegment, data: bytes) -> None:
        while True:
            started_s = time.monotonic()
            hashes = asyncio.create_task(asyncio.to_thread(hash_segment, data))  # 5
            torrent = await self._start_seeding(segment, data)  # 6
            source = await self._uploader.make_available(segment.spooled, data, torrent)  # 7
            upload_ms = (time.monotonic() - started_s) * 1000
            if source is None:
                self._lose(segment, torrent)
                return
            reread = await self._reread(segment)  # 8
            if reread is None:
                break
            # it was still being written after all; no viewer has seen any of it yet
            await self._withdraw(segment, torrent)
            if not is_whole(segment.spooled.name, reread.data):
                self._lose(segment, None)
                return
            data = reread.data
            segment = await self._write_to_spool(reread, segment.sequence)  # 4 again
        entry = self._entry(segment, len(data), await hashes, torrent, source)
        removed = self._append(entry)  # 9
        if removed is None:
            await self._withdraw(segment, torrent)
            self._state.save(self._timeline)
            return
        self._state.save(self._timeline)  # 10
        self._retire(removed)  # 11
        self._notify(segment, entry, len(data), upload_ms)  # 12

    # --- 2 number ---

    def _number(self, listed: SegmentKey) -> None:
        """Reserve a segment's media sequence; the first of a new stream opens it.

        Already now, so that no variant gives one media sequence to two streams.
        """
        _, name = listed
        if self._timeline.sequence_of(name.stream, name.index) is None:
            self._timeline.open_stream(name.stream, name.index)
            # after a crash, what is spooled of it is published only if the stream is known
            self._state.save(self._timeline)
        self._timeline.assign(name.stream, name.index)

    def _due(self) -> dict[SegmentKey, int]:
        """Return what is still to be read, with its media sequence."""
        due: dict[SegmentKey, int] = {}
        for variant, name in self._watcher.pending:
            sequence = self._timeline.sequence_of(name.stream, name.index)
            if (
                sequence is not None
                and (variant, name) not in self._in_progress
                and self._timeline.is_due(variant, sequence)
            ):
                due[variant, name] = sequence
        return due

    # --- 4 spool ---

    async def _write_to_spool(self, source: SourceSegment, sequence: int) -> NumberedSegment:
        spooled = _spooled_segment(source)
        in_spool = await self._spool.write(spooled, source.data, source.init_data)
        return NumberedSegment(
            spooled, sequence, None if in_spool else source.data, replace(source, data=b"")
        )

    def _enqueue(self, segment: NumberedSegment, tasks: asyncio.TaskGroup) -> None:
        """Queue a segment; the first one of a variant starts the task of its queue in `tasks`."""
        self._in_progress.add(segment.key)
        queue = self._queues.get(segment.spooled.variant)
        if queue is None:
            queue = self._queues[segment.spooled.variant] = asyncio.Queue()
            tasks.create_task(self._process_queue(queue))
        queue.put_nowait(segment)

    async def _process_queue(self, queue: asyncio.Queue[NumberedSegment]) -> None:
        while True:
            segment = await queue.get()
            spooled = segment.spooled
            data = segment.data or await self._spool.read(spooled.variant, spooled.name)
            if data is not None:
                await self._process(segment, data)
            else:
                self._lose(segment, None)
            self._in_progress.discard(segment.key)

    # --- 6 seed ---

    async def _start_seeding(self, segment: NumberedSegment, data: bytes) -> Torrent | None:
        """Seed a segment from the spool, if there is a seed and the spool has it."""
        if self._seed is None or segment.data is not None:
            return None
        spooled = segment.spooled
        path = self._spool.path(spooled.variant, spooled.name)
        return await self._seed.add(path, data, self._url(spooled))

    # --- 8 re-read ---

    async def _reread(self, segment: NumberedSegment) -> SourceSegment | None:
        """Return the source segment as it is now if its file has changed since it was read.

        Its bytes are not whole only if the file stays like that.
        """
        if segment.source is None:
            return None
        reread = await asyncio.to_thread(reread_if_changed, segment.source)
        if reread is segment.source:
            return None
        deadline_s = time.monotonic() + REREAD_S
        while not is_whole(segment.spooled.name, reread.data) and time.monotonic() < deadline_s:
            await asyncio.sleep(POLL_S)
            reread = await asyncio.to_thread(reread_if_changed, reread)
        return reread

    # --- 9 append ---

    def _entry(
        self,
        segment: NumberedSegment,
        size: int,
        hashes: Hashes,
        torrent: Torrent | None,
        source: Source,
    ) -> TimelineEntry:
        spooled, stored = segment.spooled, source == "store"
        descriptor = Descriptor(
            variant=spooled.variant,
            sequence=segment.sequence,
            name=spooled.name,
            url=self._url(spooled),
            size=size,
            duration=spooled.duration,
            program_date_time=spooled.program_date_time,
            discontinuity=self._timeline.is_discontinuity(segment.sequence),
            sha256=hashes.sha256,
            piece_size=hashes.piece_size,
            pieces=hashes.pieces,
            infohash=torrent.infohash if torrent else None,
            magnet=torrent.magnet if torrent else None,
            stored=stored,
        )
        return TimelineEntry(
            sequence=segment.sequence,
            duration=spooled.duration,
            descriptor=descriptor,
            init_name=spooled.init_name,
            stored=stored,
        )

    def _append(self, entry: TimelineEntry) -> list[TimelineEntry] | None:
        """Return what left the windows; None if the segment is late: a gap took its place."""
        descriptor = entry.descriptor
        assert descriptor is not None
        if not self._timeline.is_due(descriptor.variant, entry.sequence):
            SEGMENTS_LATE.inc()
            self._timeline.expire_now(descriptor.variant, descriptor.name)
            return None
        return self._timeline.append(entry, time.time(), self._watcher.variants.keys())

    # --- 11 retire ---

    def _retire(self, removed: list[TimelineEntry]) -> None:
        """Remove what left the windows from seed and spool."""
        for entry in removed:
            if entry.descriptor is not None:
                self._discard(
                    entry.descriptor.variant, entry.descriptor.name, entry.descriptor.infohash
                )

    # --- 12 notify ---

    def _notify(
        self, segment: NumberedSegment, entry: TimelineEntry, size: int, upload_ms: float
    ) -> None:
        """Count and log what was published, and wake those who read the timeline."""
        if not entry.stored:
            self._uploader.report_when_stored(segment.spooled)
        self.published_at_s = time.monotonic()
        SEGMENTS_PUBLISHED.inc()
        SEGMENTS_DEGRADED.inc(not entry.stored)
        LAST_SEGMENT_TIMESTAMP.set_to_current_time()
        PUBLISH_DELAY_SECONDS.observe(max(0.0, time.time() - segment.spooled.written_at))
        log.info(
            "published %s as %d of variant %d: %.1f s, %.1f KB, %s after %.0f ms",
            segment.spooled.name,
            entry.sequence,
            segment.spooled.variant,
            entry.duration,
            size / 1000,
            "stored" if entry.stored else "seeded but NOT stored",
            upload_ms,
        )
        self._changes.notify()

    # --- when a segment is not published, and what goes on afterwards ---

    def _lose(self, segment: NumberedSegment, torrent: Torrent | None) -> None:
        self.lost += 1
        spooled = segment.spooled
        log.warning("lost %s of variant %d: its bytes are gone", spooled.name, spooled.variant)
        self._discard(spooled.variant, spooled.name, torrent and torrent.infohash)

    async def _withdraw(self, segment: NumberedSegment, torrent: Torrent | None) -> None:
        """Take back bytes that are not to be published."""
        spooled = segment.spooled
        self._discard(spooled.variant, spooled.name, torrent and torrent.infohash)
        # an upload of the old bytes could overwrite the new ones
        await self._uploader.withdraw(spooled)

    def _discard(self, variant: int, name: str, infohash: str | None) -> None:
        """Remove a segment from seed and spool."""
        if self._seed and infohash:
            self._seed.remove(infohash)
        self._spool.remove(variant, name)

    def _url(self, segment: SpooledSegment) -> str:
        return f"{self._media_url}/{live_key(segment.variant, segment.name)}"

    async def _note_stored(self) -> None:
        """Mark what reaches the store after it was published without it."""
        while True:
            segment = await self._uploader.stored_late.get()
            self._timeline.mark_stored(segment.variant, segment.name)
            self._state.save(self._timeline)
            self._changes.notify()

    def _resume(self, tasks: asyncio.TaskGroup) -> None:
        """Continue with what an earlier run left in the spool."""
        published = {(d.variant, d.name): d for d in self._timeline.descriptors()}
        dropped: list[SpooledSegment] = []
        for segment in self._spool.load():
            descriptor = published.get((segment.variant, segment.name))
            sequence = self._timeline.sequence_of(segment.stream, segment.index)
            if descriptor is not None:
                if not descriptor.stored:
                    self._uploader.retry_later(segment)
            elif sequence is not None and self._timeline.is_due(segment.variant, sequence):
                self._timeline.assign(segment.stream, segment.index)
                self._enqueue(NumberedSegment(segment, sequence), tasks)
            else:
                # never published, but perhaps uploaded: nothing else would delete the object
                self._timeline.expire_now(segment.variant, segment.name)
                dropped.append(segment)
        self.lost += self._spool.damaged
        if dropped:
            self._state.save(self._timeline)
        for segment in dropped:
            self._spool.remove(segment.variant, segment.name)

    async def _seed_window(self) -> None:
        """Seed what an earlier run published and the spool still has."""
        for descriptor in self._timeline.descriptors():
            if self._seed is None or not descriptor.infohash:
                continue
            data = await self._spool.read(descriptor.variant, descriptor.name)
            if data is not None:
                path = self._spool.path(descriptor.variant, descriptor.name)
                await self._seed.add(path, data, descriptor.url)


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


def hash_segment(data: bytes) -> Hashes:
    """Hash a segment; it takes some milliseconds a megabyte, so do it in a thread."""
    piece_size = piece_size_for(len(data))
    return Hashes(hashlib.sha256(data).hexdigest(), piece_size, piece_hashes(data, piece_size))

"""Records the current stream by copying its segments within the store.

Each segment is copied some moments after it was published, one request at a time; the bytes do not
pass through this host. Object expiry keeps what has still to be copied.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.metrics import REPLAY_SEGMENTS
from shoal.broadcaster.owncast_playlist import parse_segment_name
from shoal.broadcaster.recordings.database import (
    FILE_NAME,
    CopyResult,
    PendingCopy,
    RecordingsDatabase,
)
from shoal.broadcaster.recordings.segments import RecordedSegment, recorded_segment, replay_key
from shoal.broadcaster.recordings.store_retry import StoreRetry
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline, live_key
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

MAX_PENDING = 2_000
"""segments that wait to be copied; the oldest ones above that are given up, so that neither the
store nor the database grows without bounds while copying fails"""
UPLOAD_POLL_S = 1.0
"""how often to check whether a segment has been uploaded at last"""


class Recorder:
    """The open recording, and the pending copies of all recordings."""

    def __init__(
        self,
        *,
        database: RecordingsDatabase,
        store: Store,
        timeline: Timeline,
        watcher: HlsWatcher,
        problems: Problems,
        on_copied: Callable[[], None],
    ) -> None:
        """`on_copied` is called when a recording may have been copied completely."""
        self._database = database
        self._store = store
        self._timeline = timeline
        self._watcher = watcher
        self._problems = problems
        self._on_copied = on_copied
        self._retry = StoreRetry(problems, "replay_copies")
        self._added = asyncio.Event()
        self._copied_init_sections: set[str] = set()
        """their keys, since the start"""

    def update(self) -> None:
        """Record what the timeline has and the recording lacks.

        A database error is reported as a problem: it must not stop the live stream.
        """
        try:
            self._append_new()
            if self._timeline.ended and (recording := self._database.open_recording()):
                self._database.end(recording)
                log.info("the recording %s has ended", recording)
                self._on_copied()
        except sqlite3.Error as error:
            self._problems.report(
                "replay_ledger",
                f"replay: cannot write to {FILE_NAME} in the state folder: {error}; the replay of"
                " this stream will lack segments: free disk space",
                "degraded",
            )
        else:
            self._problems.clear("replay_ledger")

    def _append_new(self) -> None:
        recording = self._database.open_recording()
        if recording is None:
            if self._timeline.ended or (recording := self._start_recording()) is None:
                return
        elif self._database.is_full(recording):
            return
        last_sequences = self._database.last_sequences(recording)
        self._database.append(
            recording,
            [
                recorded_segment(
                    variant,
                    entry,
                    discontinuity=self._timeline.is_discontinuity(entry.sequence),
                )
                for variant, window in self._timeline.windows.items()
                for entry in window.entries
                if entry.sequence > last_sequences.get(variant, -1)
            ],
        )
        attributes = {n: variant.attributes for n, variant in self._watcher.variants.items()}
        self._database.set_attributes(recording, attributes)
        if self._database.pending_count() > MAX_PENDING:
            for copy in self._database.pending()[:-MAX_PENDING]:
                self._finish(copy, "lost")
        self._added.set()

    def _start_recording(self) -> str | None:
        """Start a recording, named after its first stream and media sequence: neither recurs."""
        first = min(
            (
                descriptor
                for window in self._timeline.windows.values()
                for descriptor in window.descriptors()[:1]
            ),
            key=lambda descriptor: descriptor.sequence,
            default=None,
        )
        name = first and parse_segment_name(first.name)
        if first is None or name is None:
            return None
        recording = f"{name.stream}-{first.sequence}"
        self._database.start(recording)
        log.info("started the recording %s", recording)
        return recording

    def held_keys(self) -> set[str]:
        """Return the keys of live objects that must not be deleted yet."""
        return {
            live_key(copy.segment.variant, name)
            for copy in self._database.pending()
            for name in (copy.segment.name, copy.segment.init_name)
            if name is not None
        }

    async def run(self) -> None:
        """Copy until cancelled."""
        while True:
            copy = self._database.next_pending()
            if copy is None:
                self._added.clear()
                await self._added.wait()
            elif self._is_upload_pending(copy.segment):
                await asyncio.sleep(UPLOAD_POLL_S)
            else:
                self._finish(copy, await self._copy(copy))

    def _is_upload_pending(self, segment: RecordedSegment) -> bool:
        """Return whether a segment was published from the seed and the store may still get it."""
        window = self._timeline.windows.get(segment.variant)
        entries = window.entries if window else []
        return any(e.sequence == segment.sequence and not e.stored for e in entries)

    async def _copy(self, copy: PendingCopy) -> CopyResult:
        segment = copy.segment
        assert segment.name is not None
        if segment.init_name is not None:
            target = replay_key(copy.recording, segment.variant, segment.init_name)
            if target not in self._copied_init_sections:
                if not await self._copy_object(
                    live_key(segment.variant, segment.init_name), target
                ):
                    return "lost"
                self._copied_init_sections.add(target)
        copied = await self._copy_object(
            live_key(segment.variant, segment.name),
            replay_key(copy.recording, segment.variant, segment.name),
        )
        return "kept" if copied else "lost"

    async def _copy_object(self, source: str, target: str) -> bool:
        """Copy an object; return False if neither it nor a copy by an earlier run exists."""

        async def attempt() -> bool:
            return await self._store.copy(source, target) or await self._store.exists(target)

        return await self._retry.call(attempt)

    def _finish(self, copy: PendingCopy, result: CopyResult) -> None:
        self._database.finish_copy(copy, result)
        REPLAY_SEGMENTS.labels(result).inc()
        if result == "lost":
            name = copy.segment.name
            log.warning("the replay lacks %s: the store lost it before it was copied", name)
        if self._database.completed():
            self._on_copied()

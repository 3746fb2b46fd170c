"""Records the stream that is on: copies its segments within the store, behind the publisher.

A segment is copied some moments after it was published, by one request at a time; the bytes do not
pass through this host. The janitor keeps what is still to be copied.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.metrics import REPLAY_SEGMENTS
from shoal.broadcaster.owncast_playlist import parse_segment_name
from shoal.broadcaster.recordings.database import Due, Ledger, Settled
from shoal.broadcaster.recordings.segments import Segment, kept_key, segment_of
from shoal.broadcaster.recordings.store_retry import StoreRetry
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline, key_of
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

MAX_DUE = 2_000
"""segments that wait to be copied; the oldest ones above that are given up, so that neither the
store nor the ledger grows without bounds while copying fails"""
NOT_STORED_YET_S = 1.0


class Recorder:
    """The recording that is open, and what is to be copied of it and of those before."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: Store,
        timeline: Timeline,
        folder: Folder,
        problems: Problems,
        on_settled: Callable[[], None],
    ) -> None:
        """`on_settled` is called when a recording may have become complete."""
        self._ledger = ledger
        self._store = store
        self._timeline = timeline
        self._folder = folder
        self._problems = problems
        self._on_settled = on_settled
        self._retry = StoreRetry(problems, "replay_copies")
        self._more = asyncio.Event()
        self._maps: set[str] = set()
        """keys of initialization sections that this run has copied"""

    def take(self) -> None:
        """Take what the timeline has and the recording lacks; a full disk must not end the show."""
        try:
            self._take()
            if self._timeline.ended and (recording := self._ledger.open_recording()):
                self._ledger.end(recording)
                log.info("the recording %s has ended", recording)
                self._on_settled()
        except sqlite3.Error as error:
            self._problems.report(
                "replay_ledger",
                f"replay: cannot write the ledger in the state folder: {error}; segments of this"
                " stream will be missing in its replay: free space",
                "degraded",
            )
        else:
            self._problems.clear("replay_ledger")

    def _take(self) -> None:
        recording = self._ledger.open_recording()
        if recording is None:
            if self._timeline.ended or (recording := self._begin()) is None:
                return
        elif self._ledger.is_full(recording):
            return
        newest = self._ledger.newest(recording)
        self._ledger.add(
            recording,
            [
                segment_of(
                    variant,
                    entry,
                    discontinuity=self._timeline.is_discontinuity(entry.sequence),
                )
                for variant, rendition in self._timeline.renditions.items()
                for entry in rendition.entries
                if entry.sequence > newest.get(variant, -1)
            ],
        )
        attributes = {n: rendition.attributes for n, rendition in self._folder.renditions.items()}
        self._ledger.name_renditions(recording, attributes)
        if self._ledger.due_count() > MAX_DUE:
            for due in self._ledger.due()[:-MAX_DUE]:
                self._settle(due, "lost")
        self._more.set()

    def _begin(self) -> str | None:
        """Begin a recording, named after its first stream and media sequence: both never recur."""
        first = min(
            (
                descriptor
                for rendition in self._timeline.renditions.values()
                for descriptor in rendition.descriptors()[:1]
            ),
            key=lambda descriptor: descriptor.sequence,
            default=None,
        )
        name = first and parse_segment_name(first.name)
        if first is None or name is None:
            return None
        recording = f"{name.stream}-{first.sequence}"
        self._ledger.begin(recording)
        log.info("recording for a replay: %s", recording)
        return recording

    def held(self) -> set[str]:
        """Return the keys of live objects that must not be deleted yet."""
        return {
            key_of(due.segment.variant, name)
            for due in self._ledger.due()
            for name in (due.segment.name, due.segment.map_name)
            if name is not None
        }

    async def run(self) -> None:
        """Copy until cancelled."""
        while True:
            due = self._ledger.next_due()
            if due is None:
                self._more.clear()
                await self._more.wait()
            elif self._is_on_its_way(due.segment):
                await asyncio.sleep(NOT_STORED_YET_S)
            else:
                self._settle(due, await self._copy(due))

    def _is_on_its_way(self, segment: Segment) -> bool:
        """Whether a segment was published from the seeder, and the store may still get it."""
        rendition = self._timeline.renditions.get(segment.variant)
        entries = rendition.entries if rendition else []
        return any(e.sequence == segment.sequence and not e.stored for e in entries)

    async def _copy(self, due: Due) -> Settled:
        segment = due.segment
        assert segment.name is not None
        if segment.map_name is not None:
            target = kept_key(due.recording, segment.variant, segment.map_name)
            if target not in self._maps:
                if not await self._copy_one(key_of(segment.variant, segment.map_name), target):
                    return "lost"
                self._maps.add(target)
        kept = await self._copy_one(
            key_of(segment.variant, segment.name),
            kept_key(due.recording, segment.variant, segment.name),
        )
        return "kept" if kept else "lost"

    async def _copy_one(self, source: str, target: str) -> bool:
        """Copy an object; false when there is none, nor a copy that an earlier run made."""

        async def attempt() -> bool:
            return await self._store.copy(source, target) or await self._store.has(target)

        return await self._retry.call(attempt)

    def _settle(self, due: Due, state: Settled) -> None:
        self._ledger.settle(due, state)
        REPLAY_SEGMENTS.labels(state).inc()
        if state == "lost":
            name = due.segment.name
            log.warning("the store has lost %s before it was copied for the replay", name)
        if self._ledger.complete():
            self._on_settled()

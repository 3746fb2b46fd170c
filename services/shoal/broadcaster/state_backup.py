"""The few numbers that a replaced host needs, kept in the bucket beside the segments."""

import asyncio
import logging
import time

import msgspec
import stamina

from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline

log = logging.getLogger("shoal.broadcaster")

KEY = "state/broadcaster.json"
INTERVAL_S = 60.0
"""writing is billed (class A): not more often than it must be"""
MARGIN = 100_000
"""media sequence numbers that may have been given out since the mirror was written"""
DISCONTINUITY_MARGIN = 100
"""streams that may have begun since; small, because players keep an array by these numbers"""
RESTORE_PATIENCE_S = 10.0

_retry = stamina.AsyncRetryingCaller(
    attempts=None, timeout=None, wait_initial=0.25, wait_max=0.25, wait_jitter=0.0
)


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """The mirrored part of a timeline."""

    target_duration: int
    next_sequence: int
    next_discontinuity: int
    published: int


def numbers_of(timeline: Timeline) -> Numbers:
    """Return what must outlive the host."""
    return Numbers(
        target_duration=timeline.target_duration,
        next_sequence=timeline.next_sequence,
        next_discontinuity=timeline.next_discontinuity,
        published=timeline.published,
    )


async def restore(store: Store) -> Timeline:
    """Return the timeline that a host without state begins with, above all that went before.

    A store that cannot be asked is no reason to wait: the clock, in seconds, is above every number
    that a station can have reached with segments of a second or more, too.
    """
    try:
        async with asyncio.timeout(RESTORE_PATIENCE_S):
            note = await _read(store)
        if note is None:
            return Timeline()
        before = msgspec.json.decode(note, type=Numbers)
    except (TimeoutError, msgspec.DecodeError):
        now = int(time.time())
        log.warning("no state here, and none that the store would give: going on from %d", now)
        return Timeline(next_sequence=now)
    log.info("no state here: going on above %d, from the bucket", before.next_sequence)
    return Timeline(
        target_duration=before.target_duration,
        next_sequence=before.next_sequence + MARGIN,
        next_discontinuity=before.next_discontinuity + DISCONTINUITY_MARGIN,
        published=before.published,
    )


async def _read(store: Store) -> bytes | None:
    """Read the backup, retrying while the store fails: it may be starting, too."""

    async def attempt() -> bytes | None:
        try:
            return await store.get(KEY)
        except StoreError as error:
            log.info("the store is not there yet: %s", error)
            raise

    return await _retry(StoreError, attempt)


class Mirror:
    """Keeps the bucket's copy no older than a minute."""

    def __init__(self, store: Store, timeline: Timeline) -> None:
        self._store = store
        self._timeline = timeline
        self._written: Numbers | None = None

    async def run(self) -> None:
        """Write whenever something changed, until cancelled."""
        while True:
            await self.write()
            await asyncio.sleep(INTERVAL_S)

    async def write(self) -> None:
        """Write the mirror now if it is not up to date; a store that fails is tried again later."""
        numbers = numbers_of(self._timeline)
        if numbers == self._written or numbers.next_sequence == 0:
            return
        try:
            await self._store.put_note(KEY, msgspec.json.encode(numbers))
        except StoreError as error:
            log.warning("the state could not be mirrored: %s", error)
        else:
            self._written = numbers

"""Keeps the timeline over restarts: all of it on disk, a few of its numbers in the bucket."""

import asyncio
import logging
import os
import time
from pathlib import Path

import msgspec
import stamina

from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.errors import OperatorError
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

FILE_NAME = "timeline.json"

BACKUP_KEY = "state/broadcaster.json"
BACKUP_INTERVAL_S = 60.0
"""writes are billed (class A operations): no more often than necessary"""
SEQUENCE_MARGIN = 100_000
"""media sequence numbers that may have been assigned since the backup was written"""
DISCONTINUITY_MARGIN = 100
"""streams that may have started since; small, because players keep an array of these numbers"""
RESTORE_TIMEOUT_S = 10.0

_retry = stamina.AsyncRetryingCaller(
    attempts=None, timeout=None, wait_initial=0.25, wait_max=0.25, wait_jitter=0.0
)


class StateFile:
    """`timeline.json` in the state folder, replaced atomically."""

    def __init__(self, directory: Path, problems: Problems) -> None:
        self._path = directory / FILE_NAME
        self._problems = problems

    def load(self) -> Timeline | None:
        """Read the timeline; return None if there is none yet.

        Raises OperatorError when the folder cannot be used or the file is damaged: a new timeline
        would make media sequence numbers go back for the viewers.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return msgspec.json.decode(self._path.read_bytes(), type=Timeline)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OperatorError(
                f"cannot use the state folder {self._path.parent}: {error.strerror};"
                " it must belong to the broadcaster's user"
            ) from error
        except msgspec.DecodeError as error:
            raise OperatorError(
                f"{self._path} is damaged ({error}): restore it from a backup"
            ) from error

    def save(self, timeline: Timeline) -> None:
        """Write the timeline to disk; if that fails, report a problem: live video goes on."""
        try:
            self._replace(msgspec.json.encode(timeline))
        except OSError as error:
            self._problems.report(
                "state",
                f"cannot write the broadcaster's state: {error}; after a restart media sequence"
                " numbers would repeat: free disk space or give us back write access",
                "failing",
            )
        else:
            self._problems.clear("state")

    def _replace(self, data: bytes) -> None:
        """A crash leaves either the old file or the new one."""
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class BackedUpState(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a timeline that is backed up in the bucket."""

    target_duration: int
    next_sequence: int
    next_discontinuity: int
    published: int


def backed_up_state(timeline: Timeline) -> BackedUpState:
    """Return the numbers that must outlive the host."""
    return BackedUpState(
        target_duration=timeline.target_duration,
        next_sequence=timeline.next_sequence,
        next_discontinuity=timeline.next_discontinuity,
        published=timeline.published,
    )


async def restore(store: Store) -> Timeline:
    """Return the timeline for a host without state; its numbers are above all earlier ones.

    A store that cannot be read does not delay the start for long: the clock, in seconds, is above
    every number that a station can have reached, even with segments of only one second.
    """
    try:
        async with asyncio.timeout(RESTORE_TIMEOUT_S):
            backup = await _read_backup(store)
        if backup is None:
            return Timeline()
        state = msgspec.json.decode(backup, type=BackedUpState)
    except (TimeoutError, msgspec.DecodeError):
        now = int(time.time())
        log.warning(
            "no state on this host and no readable backup in the bucket:"
            " media sequence numbers continue from %d, the time of the clock",
            now,
        )
        return Timeline(next_sequence=now)
    log.info(
        "no state on this host: media sequence numbers continue above %d, from the bucket",
        state.next_sequence,
    )
    return Timeline(
        target_duration=state.target_duration,
        next_sequence=state.next_sequence + SEQUENCE_MARGIN,
        next_discontinuity=state.next_discontinuity + DISCONTINUITY_MARGIN,
        published=state.published,
    )


async def _read_backup(store: Store) -> bytes | None:
    """Read the backup, and retry while the store fails: it may still be starting, too."""

    async def attempt() -> bytes | None:
        try:
            return await store.get(BACKUP_KEY)
        except StoreError as error:
            log.info("cannot read the state backup yet: %s", error)
            raise

    return await _retry(StoreError, attempt)


class StateBackup:
    """Keeps the backup in the bucket at most a minute old."""

    def __init__(self, store: Store, timeline: Timeline) -> None:
        self._store = store
        self._timeline = timeline
        self._written: BackedUpState | None = None

    async def run(self) -> None:
        """Write the backup whenever something changed, until cancelled."""
        while True:
            await self.write()
            await asyncio.sleep(BACKUP_INTERVAL_S)

    async def write(self) -> None:
        """Write the backup now if it is out of date; a failure is logged and retried later."""
        state = backed_up_state(self._timeline)
        if state == self._written or state.next_sequence == 0:
            return
        try:
            await self._store.put_json(BACKUP_KEY, msgspec.json.encode(state))
        except StoreError as error:
            log.warning("cannot write the state backup: %s", error)
        else:
            self._written = state

"""Recordings and replays as the broadcaster sees them."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from shoal.aio import Changes
from shoal.announcements import KeptReplay
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.recordings.catalogue import Replay, public_list
from shoal.broadcaster.recordings.database import FILE_NAME, RecordingsDatabase
from shoal.broadcaster.recordings.recorder import Recorder
from shoal.broadcaster.recordings.vod_publisher import VodPublisher
from shoal.broadcaster.response_cache import JSON_TYPE, CachedResponse, compress
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import tracker_of
from shoal.config.settings import BroadcasterSettings
from shoal.problems import Problems

MAX_SHARED = 300
"""the newest replays: our tracker serves only these replays' viewers and torrents"""
RETRY_S = 5.0


class NoReplays:
    """Stands in for `ReplayService` on a station without replays."""

    shared: tuple[KeptReplay, ...] = ()
    torrents: Sequence[str] = ()

    def held_keys(self) -> Collection[str]:
        """Return no keys."""
        return ()

    def response(self) -> CachedResponse | None:
        """Return None: there is no list."""
        return None

    async def run(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def open_replays(
    settings: BroadcasterSettings,
    store: Store,
    timeline: Timeline,
    watcher: HlsWatcher,
    *,
    problems: Problems,
    changes: Changes,
) -> "NoReplays | ReplayService":
    """Return the replay service if it is enabled and works; live must run without it."""
    if not settings.replay:
        return NoReplays()
    try:
        return ReplayService(settings, store, timeline, watcher, problems=problems, changes=changes)
    except sqlite3.Error as error:
        message = f"replay: cannot open {FILE_NAME} in the state folder: {error}; replay is off"
        problems.report("replay_ledger", message, "degraded")
        return NoReplays()


class ReplayService:
    """The open recording and all replays."""

    def __init__(
        self,
        settings: BroadcasterSettings,
        store: Store,
        timeline: Timeline,
        watcher: HlsWatcher,
        *,
        problems: Problems,
        changes: Changes,
    ) -> None:
        """Raises sqlite3.Error."""
        self._changes = changes
        self._problems = problems
        self._media_url = settings.media_url
        self._tracker_url = settings.tracker_url or tracker_of(settings.signaling_url)
        self._database = RecordingsDatabase(settings.state_dir)
        self._publisher = VodPublisher(
            database=self._database,
            store=store,
            settings=settings,
            tracker_url=self._tracker_url,
            problems=problems,
            on_changed=self._on_list_changed,
        )
        self._recorder = Recorder(
            database=self._database,
            store=store,
            timeline=timeline,
            watcher=watcher,
            problems=problems,
            on_copied=self._publisher.wake,
        )
        self._response: CachedResponse | None = None
        self._replays: list[Replay] = self._database.replays()
        # before objects expire: an earlier run may have died before it did this
        self._recorder.update()

    def held_keys(self) -> Collection[str]:
        """Return the keys of live objects that have still to be copied."""
        try:
            return self._recorder.held_keys()
        except sqlite3.Error as error:
            self._report(error)
            return set()

    def response(self) -> CachedResponse:
        """Return `/live/replays.json`."""
        if self._response is None:
            body = public_list(self._replays, self._media_url, self._tracker_url)
            self._response = compress(JSON_TYPE, msgspec.json.encode(body))
        return self._response

    @property
    def shared(self) -> tuple[KeptReplay, ...]:
        """What is announced to signaling: the replays that viewers may share, oldest first."""
        return tuple(KeptReplay(r.id, r.size, r.duration) for r in self._newest())

    @property
    def torrents(self) -> list[str]:
        """Infohashes of their torrents, as browsers' trackers write them: bytes as Latin-1."""
        return [
            bytes.fromhex(replay.infohash).decode("latin-1")
            for replay in self._newest()
            if replay.infohash is not None
        ]

    def _newest(self) -> list[Replay]:
        return sorted(self._replays, key=lambda replay: replay.ended_at)[-MAX_SHARED:]

    async def run(self) -> None:
        """Copy, publish and delete until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._record())
            tasks.create_task(self._restart_on_database_error(self._recorder.run))
            tasks.create_task(self._restart_on_database_error(self._publisher.run))

    async def _record(self) -> None:
        """Record what has been published, and that a stream has ended."""
        while True:
            change = self._changes.next
            self._recorder.update()
            await change.wait()

    async def _restart_on_database_error(self, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a part running: a broken database is a problem for replays only."""
        while True:
            try:
                await run()
            except sqlite3.Error as error:
                self._report(error)
                await asyncio.sleep(RETRY_S)

    def _report(self, error: sqlite3.Error) -> None:
        message = f"replay: cannot use {FILE_NAME} in the state folder: {error}"
        self._problems.report("replay_ledger", message, "degraded")

    def _on_list_changed(self) -> None:
        self._response = None
        self._replays = self._database.replays()
        self._changes.notify()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

"""Replay as the broadcaster sees it: told of what is published, asked for the list."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from shoal.announcements import KeptReplay
from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.recordings.catalogue import Replay, public
from shoal.broadcaster.recordings.database import FILE_NAME, Ledger
from shoal.broadcaster.recordings.recorder import Recorder
from shoal.broadcaster.recordings.vod_publisher import Finisher
from shoal.broadcaster.response_cache import JSON_TYPE, Body, rendered
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import tracker_of
from shoal.config.settings import BroadcasterSettings
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

MAX_SHARED = 300
"""replays, the newest, whose viewers and torrents our tracker serves"""
RETRY_S = 5.0


class NoReplays:
    """The station keeps no replays."""

    on_changed: Callable[[], None] | None = None
    kept: tuple[KeptReplay, ...] = ()
    torrents: Sequence[str] = ()

    def published(self) -> None:
        """Nothing is recorded."""

    def held(self) -> Collection[str]:
        """No object is needed for longer."""
        return ()

    def body(self) -> Body | None:
        """There is no list."""
        return None

    async def run(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """There is nothing to close."""


def open_replays(
    settings: BroadcasterSettings,
    store: Store,
    timeline: Timeline,
    folder: Folder,
    problems: Problems,
) -> "NoReplays | Replays":
    """Return what keeps replays, if it shall and can: nobody has to do without live for it."""
    if not settings.replay:
        return NoReplays()
    try:
        return Replays(settings, store, timeline, folder, problems)
    except sqlite3.Error as error:
        problems.report("replay_ledger", f"replay is off: {FILE_NAME}: {error}", "degraded")
        return NoReplays()


class Replays:
    """The recording that goes on and the replays that there are."""

    def __init__(
        self,
        settings: BroadcasterSettings,
        store: Store,
        timeline: Timeline,
        folder: Folder,
        problems: Problems,
    ) -> None:
        """Raises sqlite3.Error."""
        self.on_changed: Callable[[], None] | None = None
        """called when the list of replays has changed"""
        self._problems = problems
        self._media_url = settings.media_url
        self._tracker_url = settings.tracker_url or tracker_of(settings.signaling_url)
        self._ledger = Ledger(settings.state_dir)
        self._finisher = Finisher(
            ledger=self._ledger,
            store=store,
            settings=settings,
            tracker_url=self._tracker_url,
            problems=problems,
            on_changed=self._changed,
        )
        self._recorder = Recorder(
            ledger=self._ledger,
            store=store,
            timeline=timeline,
            folder=folder,
            problems=problems,
            on_settled=self._finisher.look,
        )
        self._body: Body | None = None
        self._replays: list[Replay] = self._ledger.replays()
        self.published()  # before the janitor looks: an earlier run may have died before it did

    def published(self) -> None:
        """Record what was published, or note that the stream has ended."""
        self._recorder.take()

    def held(self) -> Collection[str]:
        """Return the keys of live objects that are still to be copied."""
        try:
            return self._recorder.held()
        except sqlite3.Error as error:
            self._report(error)
            return set()

    def body(self) -> Body:
        """Return `/live/replays.json`."""
        if self._body is None:
            listed = public(self._replays, self._media_url, self._tracker_url)
            self._body = rendered(JSON_TYPE, msgspec.json.encode(listed))
        return self._body

    @property
    def kept(self) -> tuple[KeptReplay, ...]:
        """What signaling is told of those that viewers may share, oldest first."""
        return tuple(KeptReplay(one.id, one.size, one.duration) for one in self._shared())

    @property
    def torrents(self) -> list[str]:
        """Infohashes of torrents, as trackers for browsers write them: bytes as Latin-1."""
        return [
            bytes.fromhex(replay.infohash).decode("latin-1")
            for replay in self._shared()
            if replay.infohash is not None
        ]

    def _shared(self) -> list[Replay]:
        return sorted(self._replays, key=lambda replay: replay.ended_at)[-MAX_SHARED:]

    async def run(self) -> None:
        """Copy, list, share and delete until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again_and_again(self._recorder.run))
            tasks.create_task(self._again_and_again(self._finisher.run))

    async def _again_and_again(self, work: Callable[[], Awaitable[None]]) -> None:
        """A ledger that cannot be used is a problem of replays, and of nothing else."""
        while True:
            try:
                await work()
            except sqlite3.Error as error:
                self._report(error)
                await asyncio.sleep(RETRY_S)

    def _report(self, error: sqlite3.Error) -> None:
        message = f"replay: cannot use {FILE_NAME} in the state folder: {error}"
        self._problems.report("replay_ledger", message, "degraded")

    def _changed(self) -> None:
        self._body = None
        self._replays = self._ledger.replays()
        if self.on_changed is not None:
            self.on_changed()

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

"""The broadcaster: settings → start → run → drain. Wires the parts together; has no rules."""

import asyncio

import stamina

from shoal.aio import Changes
from shoal.alarms.webhook import create_webhook
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.api import SERVICE, create_app
from shoal.broadcaster.health import HealthMonitor
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.object_expiry import ObjectExpiry
from shoal.broadcaster.on_air import OnAir
from shoal.broadcaster.owncast_status import OwncastStatus
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.recordings.service import open_replays
from shoal.broadcaster.response_cache import ResponseCache
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool
from shoal.broadcaster.state import StateBackup, StateFile, restore
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.upload import Uploader
from shoal.config.settings import BroadcasterSettings
from shoal.problems import Problems
from shoal.web import start, stop_event

FINAL_BACKUP_TIMEOUT_S = 3.0
"""how long a stop waits for the store to accept the state backup"""


class Broadcaster:
    """All parts; each keeps its own state, and reads that of the parts it was given."""

    def __init__(
        self,
        settings: BroadcasterSettings,
        problems: Problems,
        state: StateFile,
        store: Store,
        timeline: Timeline,
    ) -> None:
        changes = Changes()
        self._webhook = create_webhook(settings, SERVICE, problems, settings.state_dir)
        watcher = HlsWatcher(settings.hls_dir)
        self._owncast = OwncastStatus(settings.owncast_url)
        spool = Spool(settings.state_dir / "segments", problems)
        self._seed = None if settings.standby == "off" else TorrentSeed(settings, timeline)
        self._uploader = Uploader(store, spool, self._seed)
        self._pipeline = Pipeline(
            watcher=watcher,
            timeline=timeline,
            state=state,
            spool=spool,
            uploader=self._uploader,
            seed=self._seed,
            media_url=settings.media_url,
            changes=changes,
        )
        on_air = OnAir(watcher, self._pipeline, timeline)
        self.cache = ResponseCache(timeline, watcher)
        self.replays = open_replays(
            settings, store, timeline, watcher, problems=problems, changes=changes
        )
        self._announcer = Announcer(
            settings.signaling_url,
            settings.broadcaster_token.get_secret_value(),
            timeline=timeline,
            on_air=on_air,
            cache=self.cache,
            replays=self.replays,
            changes=changes,
        )
        self.monitor = HealthMonitor(
            problems=problems,
            watcher=watcher,
            owncast=self._owncast,
            timeline=timeline,
            state=state,
            pipeline=self._pipeline,
            uploader=self._uploader,
            seed=self._seed,
            on_air=on_air,
            announcer=self._announcer,
            end_grace_s=settings.end_grace_s,
            changes=changes,
        )
        self._object_expiry = ObjectExpiry(store, timeline, state, self.replays)
        self._state_backup = StateBackup(store, timeline)

    async def run(self) -> None:
        """Run all parts until cancelled."""
        parts = (
            *(self._announcer, self._uploader, self._object_expiry, self._state_backup),
            *(self.replays, self._owncast, self._webhook, self.monitor, self._seed),
            self._pipeline,
        )
        async with asyncio.TaskGroup() as tasks:
            for part in parts:
                if part is not None:
                    tasks.create_task(part.run())

    async def close(self) -> None:
        """Save what a replacement host needs, and disconnect torrent peers."""
        backup = asyncio.create_task(self._state_backup.write())
        await asyncio.wait({backup}, timeout=FINAL_BACKUP_TIMEOUT_S)
        if self._seed is not None:
            await self._seed.close()
        self.replays.close()


async def run(settings: BroadcasterSettings) -> None:
    """Run the broadcaster until SIGTERM or SIGINT."""
    # we count and report failures ourselves: no metric and no log lines by stamina
    stamina.instrumentation.set_on_retry_hooks([])
    stop = stop_event()
    problems = Problems()
    state, store = StateFile(settings.state_dir, problems), Store(settings)
    timeline = state.load() or await restore(store)
    broadcaster = Broadcaster(settings, problems, state, store, timeline)
    app = create_app(
        broadcaster.cache, broadcaster.monitor, broadcaster.replays, settings.embed_origins
    )
    runner = await start(app, SERVICE, settings.broadcaster_url)
    running = asyncio.create_task(broadcaster.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        stopped.cancel()
        await asyncio.gather(running, stopped, return_exceptions=True)
        await broadcaster.close()
        store.close()
        await runner.cleanup()

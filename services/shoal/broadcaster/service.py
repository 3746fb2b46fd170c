"""The broadcaster: settings → startup → watch and publish → drain."""

import asyncio
import logging
import time
from collections.abc import Collection
from datetime import datetime

import stamina

from shoal.alarms.webhook import create_webhook
from shoal.announcements import Replays, Stream, Swarms
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.api import SERVICE, create_app
from shoal.broadcaster.health import Health
from shoal.broadcaster.health_monitor import HealthMonitor
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.metrics import (
    LIVE,
    TORRENT_PEERS,
    TORRENT_UPLOADED_BYTES,
)
from shoal.broadcaster.object_expiry import ObjectExpiry
from shoal.broadcaster.owncast_status import OwncastStatus
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.recordings.service import open_replays
from shoal.broadcaster.response_cache import ResponseCache
from shoal.broadcaster.seeding.canary import newest_sample
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool
from shoal.broadcaster.state import StateBackup, StateFile, restore
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.upload import Uploader
from shoal.config.settings import BroadcasterSettings
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.problems import Problems
from shoal.web import start, stop_event

log = logging.getLogger("shoal.broadcaster")

POLL_S = 0.01
CHECK_S = 0.25
SILENCE_TARGET_DURATIONS = 3
MIN_SILENCE_S = 15.0
FINAL_BACKUP_TIMEOUT_S = 3.0
"""how long a stop waits for the store to accept the state backup"""


class Broadcaster:
    """Wires the parts together; each keeps its own state."""

    def __init__(
        self, settings: BroadcasterSettings, state: StateFile, store: Store, timeline: Timeline
    ) -> None:
        self.problems = Problems()
        self.timeline = timeline
        self._webhook = create_webhook(settings, SERVICE, self.problems, settings.state_dir)
        self.watcher = HlsWatcher(settings.hls_dir)
        self._owncast = OwncastStatus(settings.owncast_url)
        self._monitor = HealthMonitor(self.problems, self.watcher, self._owncast)
        self.cache = ResponseCache(timeline, lambda: self.watcher.variants)
        self.announcer = Announcer(
            settings.signaling_url,
            settings.broadcaster_token.get_secret_value(),
            timeline,
            lambda: Stream(timeline.newest_stream, self.live),
            self._swarms_and_replays,
        )
        spool = Spool(settings.state_dir / "segments", self.problems)
        sample = lambda: newest_sample(timeline)  # noqa: E731
        self.seed = None if settings.standby == "off" else TorrentSeed(settings, sample)
        self.uploader = Uploader(store, spool, self.seed)
        self.pipeline = Pipeline(
            timeline=timeline,
            state=state,
            spool=spool,
            uploader=self.uploader,
            problems=self.problems,
            media_url=settings.media_url,
            listed_variants=self._listed_variants,
            seed=self.seed,
            on_published=self._on_published,
        )
        self.replays = open_replays(settings, store, timeline, self.watcher, self.problems)
        self.replays.on_changed = self.announcer.wake
        self.object_expiry = ObjectExpiry(
            store, timeline, self.pipeline.save, self.replays.held_keys
        )
        self.state_backup = StateBackup(store, timeline)
        self.live = False
        self._end_grace_s = settings.end_grace_s
        self._offline_since_s = time.monotonic()
        self._published_at_s: float | None = None
        self._counted_upload_bytes = 0

    async def run(self) -> None:
        """Watch, publish and announce until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            parts = (self.announcer, self.uploader, self.object_expiry, self.state_backup)
            for part in (*parts, self.replays, self._owncast):
                tasks.create_task(part.run())
            if self._webhook is not None:
                tasks.create_task(self._webhook.run())
            tasks.create_task(self._monitor_health())
            if self.seed is not None:
                tasks.create_task(self.seed.run())
                tasks.create_task(self.pipeline.seed_window())
            tasks.create_task(self.pipeline.mark_stored())
            self.pipeline.resume(tasks)
            while True:
                for segment in self.watcher.scan(time.monotonic(), self.pipeline.is_due):
                    await self.pipeline.submit(segment, tasks)
                await asyncio.sleep(POLL_S)

    def health(self) -> Health:
        """Return the body of `/health`."""
        age_s = self._segment_age_s()
        torrent_peers = self.seed.peers if self.seed else 0
        return Health(
            status=self.problems.status,
            live=self.live,
            torrents=self.seed.torrents if self.seed else 0,
            peers=self.announcer.room_peers + torrent_peers,
            room_peers=self.announcer.room_peers,
            torrent_peers=torrent_peers,
            chunks=self.timeline.published,
            signaling="connected" if self.announcer.connected else "disconnected",
            last_segment_age_s=None if age_s is None else round(age_s, 3),
            store="ok" if self.uploader.healthy else "failing",
            standby=self.seed.status if self.seed else "off",
            problems=self.problems.standing(),
        )

    def _listed_variants(self) -> Collection[int]:
        return self.watcher.variants.keys()

    def _on_published(self) -> None:
        self._published_at_s = time.monotonic()
        self.cache.clear()
        self._check_live()
        self.announcer.wake()
        self.replays.update()

    def _check_store(self, fault: str | None) -> None:
        if fault is None:
            self.problems.clear("store")
        elif self.seed is not None and self.seed.status == "ok":
            self.problems.report(
                "store",
                f"cannot store segments: {fault}; viewers get them from the torrent seed, except"
                " those without WebRTC",
                "degraded",
            )
        else:
            self.problems.report("store", f"cannot store segments: {fault}", "failing")

    async def _monitor_health(self) -> None:
        while True:
            now_s = time.monotonic()
            self._monitor.check_hls_folder(now_s)
            self._check_store(self.uploader.fault)
            self._monitor.check_silence(
                now_s, self._published_at_s, self._silence_s, storing=self.uploader.healthy
            )
            self._monitor.check_lost(now_s)
            self._monitor.check_owncast(now_s)
            self._monitor.check_signaling(self.announcer.fault)
            self._check_live()
            self._check_end(now_s)
            self._check_seed()
            await asyncio.sleep(CHECK_S)

    @property
    def _silence_s(self) -> float:
        return max(MIN_SILENCE_S, SILENCE_TARGET_DURATIONS * self.timeline.target_duration)

    def _check_live(self) -> None:
        """Owncast marks the end of a stream; if it dies there is no mark, but segments stop."""
        age_s = self._segment_age_s()
        live = self.watcher.live and age_s is not None and age_s < self._silence_s
        if live != self.live:
            self.live = live
            self._offline_since_s = time.monotonic()
            LIVE.set(live)
            log.info("the station is %s", "live" if live else "offline")
            self.announcer.wake()

    def _check_seed(self) -> None:
        if self.seed is None:
            return
        TORRENT_PEERS.set(self.seed.peers)
        TORRENT_UPLOADED_BYTES.inc(self.seed.uploaded_bytes - self._counted_upload_bytes)
        self._counted_upload_bytes = self.seed.uploaded_bytes
        self._monitor.check_seed(self.seed.fault)

    def _swarms_and_replays(self) -> tuple[Swarms, Replays]:
        playlist = self.cache.playlist()
        text = playlist.plain.decode() if playlist is not None else ""
        live = sorted(info_hashes(SWARM_ID, text))
        return Swarms(tuple(live), tuple(self.replays.torrents)), Replays(self.replays.shared)

    def _check_end(self, now_s: float) -> None:
        """End the playlists after the grace period, but never while a segment is in progress."""
        if self.live or self.timeline.ended or not self.timeline.windows:
            return
        if now_s - self._offline_since_s >= self._end_grace_s and self.pipeline.idle:
            self.timeline.end()
            self.pipeline.save()
            self.cache.clear()
            log.info("the stream is over: EXT-X-ENDLIST added to the playlists")
            self.replays.update()

    def _segment_age_s(self) -> float | None:
        if self._published_at_s is not None:
            return time.monotonic() - self._published_at_s
        newest = [w.entries[-1] for w in self.timeline.windows.values() if w.entries]
        ends = [
            datetime.fromisoformat(entry.descriptor.program_date_time).timestamp() + entry.duration
            for entry in newest
            if entry.descriptor is not None and entry.descriptor.program_date_time
        ]
        return max(0.0, time.time() - max(ends)) if ends else None


async def run(settings: BroadcasterSettings) -> None:
    """Run the broadcaster until SIGTERM or SIGINT."""
    # we count and report failures ourselves: no metric and no log lines by stamina
    stamina.instrumentation.set_on_retry_hooks([])
    stop = stop_event()
    state, store = StateFile(settings.state_dir), Store(settings)
    timeline = state.load() or await restore(store)
    broadcaster = Broadcaster(settings, state, store, timeline)
    runner = await start(
        create_app(
            broadcaster.cache,
            broadcaster.health,
            settings.embed_origins,
            broadcaster.replays.response,
        ),
        SERVICE,
        settings.broadcaster_url,
    )
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
        backup = asyncio.create_task(broadcaster.state_backup.write())
        await asyncio.wait({backup}, timeout=FINAL_BACKUP_TIMEOUT_S)
        if broadcaster.seed is not None:
            await broadcaster.seed.close()
        broadcaster.replays.close()
        store.close()
        await runner.cleanup()

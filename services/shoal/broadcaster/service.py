"""The broadcaster: settings → startup → watch and publish → drain."""

import asyncio
import logging
import time
from collections.abc import Collection
from datetime import datetime

import stamina

from shoal.alarms.webhook import webhook
from shoal.announcements import Replays, Stream, Swarms
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.api import SERVICE, create_app
from shoal.broadcaster.health import Health
from shoal.broadcaster.health_monitor import Inspection
from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.metrics import (
    LIVE,
    TORRENT_PEERS,
    TORRENT_UPLOADED_BYTES,
)
from shoal.broadcaster.object_expiry import Janitor
from shoal.broadcaster.owncast_status import Owncast
from shoal.broadcaster.pipeline import Publisher
from shoal.broadcaster.recordings.service import open_replays
from shoal.broadcaster.response_cache import Views
from shoal.broadcaster.retry_queue import Uploads
from shoal.broadcaster.seeding.canary import newest_sample
from shoal.broadcaster.seeding.seed import Standby
from shoal.broadcaster.spool import Spool
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.state_backup import Mirror, restore
from shoal.broadcaster.store import Store
from shoal.broadcaster.timeline import Timeline
from shoal.config.settings import BroadcasterSettings
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.problems import Problems
from shoal.web import start, stop_event

log = logging.getLogger("shoal.broadcaster")

POLL_S = 0.01
CHECK_S = 0.25
SILENCE_TARGET_DURATIONS = 3
SILENCE_AT_LEAST_S = 15.0
LAST_MIRROR_S = 3.0
"""how long a stop waits for the store to take the mirror"""


class Broadcaster:
    """The parts, wired; each keeps its own state."""

    def __init__(
        self, settings: BroadcasterSettings, state: StateFile, store: Store, timeline: Timeline
    ) -> None:
        self.problems = Problems()
        self.timeline = timeline
        self._webhook = webhook(settings, SERVICE, self.problems, settings.state_dir)
        self.folder = Folder(settings.hls_dir)
        self._owncast = Owncast(settings.owncast_url)
        self._inspection = Inspection(self.problems, self.folder, self._owncast)
        self.views = Views(timeline, lambda: self.folder.renditions)
        self.announcer = Announcer(
            settings.signaling_url,
            settings.broadcaster_token.get_secret_value(),
            timeline,
            lambda: Stream(timeline.stream, self.live),
            self._others,
        )
        spool = Spool(settings.state_dir / "segments")
        self.uploads = Uploads(store, spool, self._on_store)
        newest = lambda: newest_sample(timeline)  # noqa: E731
        self.standby = None if settings.standby == "off" else Standby(settings, newest)
        self.publisher = Publisher(
            timeline=timeline,
            state=state,
            spool=spool,
            uploads=self.uploads,
            problems=self.problems,
            media_url=settings.media_url,
            named=self._named_by_owncast,
            standby=self.standby,
            on_published=self._on_published,
        )
        self.replays = open_replays(settings, store, timeline, self.folder, self.problems)
        self.replays.on_changed = self.announcer.changed
        self.janitor = Janitor(store, timeline, self.publisher.save, self.replays.held)
        self.mirror = Mirror(store, timeline)
        self.live = False
        self._end_grace_s = settings.end_grace_s
        self._offline_since_s = time.monotonic()
        self._published_at_s: float | None = None
        self._torrents_uploaded = 0

    async def run(self) -> None:
        """Watch, publish and announce until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            parts = (self.announcer, self.uploads, self.janitor, self.mirror)
            for part in (*parts, self.replays, self._owncast):
                tasks.create_task(part.run())
            if self._webhook is not None:
                tasks.create_task(self._webhook.run())
            tasks.create_task(self._check())
            if self.standby is not None:
                tasks.create_task(self.standby.run())
                tasks.create_task(self.publisher.seed_window())
            self.publisher.resume(tasks)
            while True:
                for segment in self.folder.poll(time.monotonic(), self.publisher.wanted):
                    await self.publisher.offer(segment, tasks)
                await asyncio.sleep(POLL_S)

    def health(self) -> Health:
        """Say how the broadcaster is, now."""
        age_s = self._segment_age_s()
        torrent_peers = self.standby.peers if self.standby else 0
        return Health(
            status=self.problems.status,
            live=self.live,
            torrents=self.standby.torrents if self.standby else 0,
            peers=self.announcer.room_peers + torrent_peers,
            room_peers=self.announcer.room_peers,
            torrent_peers=torrent_peers,
            chunks=self.timeline.published,
            signaling="connected" if self.announcer.connected else "disconnected",
            last_segment_age_s=None if age_s is None else round(age_s, 3),
            store="ok" if self.uploads.healthy else "failing",
            standby=self.standby.status if self.standby else "off",
            problems=self.problems.standing(),
        )

    def _named_by_owncast(self) -> Collection[int]:
        return self.folder.renditions.keys()

    def _on_published(self) -> None:
        self._published_at_s = time.monotonic()
        self.views.changed()
        self._check_live()
        self.announcer.changed()
        self.replays.published()

    def _on_store(self, fault: str | None) -> None:
        if fault is None:
            self.problems.clear("store")
        elif self.standby is not None and self.standby.status == "ok":
            self.problems.report(
                "store",
                f"cannot store segments: {fault}; viewers get them from the torrent seed, those"
                " without WebRTC do not",
                "degraded",
            )
        else:
            self.problems.report("store", f"cannot store segments: {fault}", "failing")

    async def _check(self) -> None:
        while True:
            now_s = time.monotonic()
            self._inspection.folder(now_s)
            self._inspection.silence(
                now_s, self._published_at_s, self._silence_s, storing=self.uploads.healthy
            )
            self._inspection.lost(now_s)
            self._inspection.owncast(now_s)
            self._inspection.signaling(self.announcer.fault)
            self._check_live()
            self._check_end(now_s)
            self._check_standby()
            await asyncio.sleep(CHECK_S)

    @property
    def _silence_s(self) -> float:
        return max(SILENCE_AT_LEAST_S, SILENCE_TARGET_DURATIONS * self.timeline.target_duration)

    def _check_live(self) -> None:
        """Owncast says when a stream ends; when it died it says nothing, but segments stop."""
        age_s = self._segment_age_s()
        live = self.folder.live and age_s is not None and age_s < self._silence_s
        if live != self.live:
            self.live = live
            self._offline_since_s = time.monotonic()
            LIVE.set(live)
            log.info("the station is %s", "live" if live else "offline")
            self.announcer.changed()

    def _check_standby(self) -> None:
        if self.standby is None:
            return
        TORRENT_PEERS.set(self.standby.peers)
        TORRENT_UPLOADED_BYTES.inc(self.standby.uploaded_bytes - self._torrents_uploaded)
        self._torrents_uploaded = self.standby.uploaded_bytes
        self._inspection.standby(self.standby.fault)

    def _others(self) -> tuple[Swarms, Replays]:
        playlist = self.views.playlist()
        text = playlist.plain.decode() if playlist is not None else ""
        live = sorted(info_hashes(SWARM_ID, text))
        return Swarms(tuple(live), tuple(self.replays.torrents)), Replays(self.replays.kept)

    def _check_end(self, now_s: float) -> None:
        """Close the playlists when nothing has come for the grace; never while something waits."""
        if self.live or self.timeline.ended or not self.timeline.renditions:
            return
        if now_s - self._offline_since_s >= self._end_grace_s and self.publisher.idle:
            self.timeline.end()
            self.publisher.save()
            self.views.changed()
            log.info("the stream is over: EXT-X-ENDLIST")
            self.replays.published()

    def _segment_age_s(self) -> float | None:
        if self._published_at_s is not None:
            return time.monotonic() - self._published_at_s
        newest = [r.entries[-1] for r in self.timeline.renditions.values() if r.entries]
        ends = [
            datetime.fromisoformat(entry.descriptor.program_date_time).timestamp() + entry.duration
            for entry in newest
            if entry.descriptor is not None and entry.descriptor.program_date_time
        ]
        return max(0.0, time.time() - max(ends)) if ends else None


async def run(settings: BroadcasterSettings) -> None:
    """Run the broadcaster until SIGTERM or SIGINT."""
    # we count and report failures ourselves: no metric and no log lines of stamina's own
    stamina.instrumentation.set_on_retry_hooks([])
    stop = stop_event()
    state, store = StateFile(settings.state_dir), Store(settings)
    timeline = state.load() or await restore(store)
    broadcaster = Broadcaster(settings, state, store, timeline)
    runner = await start(
        create_app(
            broadcaster.views,
            broadcaster.health,
            settings.embed_origins,
            broadcaster.replays.body,
        ),
        SERVICE,
        settings.broadcaster_url,
    )
    work = asyncio.create_task(broadcaster.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        stopped.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        await asyncio.wait({asyncio.create_task(broadcaster.mirror.write())}, timeout=LAST_MIRROR_S)
        if broadcaster.standby is not None:
            await broadcaster.standby.close()
        broadcaster.replays.close()
        store.close()
        await runner.cleanup()

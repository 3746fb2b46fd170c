"""The broadcaster: settings → startup → watch and publish → drain."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from shoal.announcements import Stream
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.app import SERVICE, create_app
from shoal.broadcaster.folder import Folder
from shoal.broadcaster.health import Health
from shoal.broadcaster.hls import SegmentName
from shoal.broadcaster.problems import Problems, Severity
from shoal.broadcaster.publisher import Publisher
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store
from shoal.broadcaster.views import Views
from shoal.segments import Descriptor
from shoal.settings import BroadcasterSettings
from shoal.web import start, stop_event

log = logging.getLogger("shoal.broadcaster")

POLL_S = 0.01
CHECK_S = 0.25
FAULT_GRACE_S = 1.0
"""a folder that is being made again is no fault yet"""
LOST_SHOWN_S = 60.0
SILENCE_TARGET_DURATIONS = 3
SILENCE_AT_LEAST_S = 15.0


class Broadcaster:
    """The parts, wired; each keeps its own state."""

    def __init__(self, settings: BroadcasterSettings) -> None:
        self.problems = Problems()
        self._state = StateFile(settings.state_dir)
        self.timeline = self._state.load()
        self.folder = Folder(settings.hls_dir, self._wanted)
        self.views = Views(self.timeline, lambda: self.folder.renditions)
        self.announcer = Announcer(
            settings.signaling_url,
            settings.broadcaster_token.get_secret_value(),
            self.timeline,
            lambda: Stream(self.timeline.stream, self.live),
        )
        self.store = Store(settings)
        self.publisher = Publisher(
            timeline=self.timeline,
            state=self._state,
            store=self.store,
            folder=self.folder,
            problems=self.problems,
            media_url=settings.media_url,
            on_published=self._on_published,
        )
        self.live = False
        self._published_at_s: float | None = None
        self._fault_since_s: float | None = None
        self._lost = 0
        self._lost_at_s = 0.0

    async def run(self) -> None:
        """Watch, publish and announce until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.announcer.run())
            tasks.create_task(self._check())
            while True:
                for segment in self.folder.poll(time.monotonic()):
                    self.publisher.offer(segment, tasks)
                await asyncio.sleep(POLL_S)

    def health(self) -> Health:
        """Say how the broadcaster is, now."""
        standing = self.problems.standing()
        age_s = self._segment_age_s()
        return Health(
            status=self.problems.status,
            live=self.live,
            torrents=0,
            peers=self.announcer.room_peers,
            room_peers=self.announcer.room_peers,
            torrent_peers=0,
            chunks=self.timeline.published,
            signaling="connected" if self.announcer.connected else "disconnected",
            last_segment_age_s=None if age_s is None else round(age_s, 3),
            store="failing" if any(p.code == "store" for p in standing) else "ok",
            standby="off",
            problems=standing,
        )

    def _wanted(self, variant: int, name: SegmentName) -> bool:
        return self.timeline.is_due(variant, self.timeline.sequence_of(name.stream, name.k))

    def _on_published(self, descriptor: Descriptor) -> None:
        self._published_at_s = time.monotonic()
        self.views.changed()
        self._check_live()
        self.announcer.changed()
        log.info(
            "published %s as %d of rendition %d: %.1f s, %.1f KB",
            descriptor.name,
            descriptor.sequence,
            descriptor.variant,
            descriptor.duration,
            descriptor.size / 1000,
        )

    async def _check(self) -> None:
        while True:
            now_s = time.monotonic()
            self._check_folder(now_s)
            self._check_lost(now_s)
            self._check_live()
            if self.announcer.fault:
                self._report("signaling", self.announcer.fault, "degraded")
            else:
                self.problems.clear("signaling")
            await asyncio.sleep(CHECK_S)

    def _check_folder(self, now_s: float) -> None:
        if self.folder.fault is None:
            self._fault_since_s = None
            self.problems.clear("hls_folder")
            return
        if self._fault_since_s is None:
            self._fault_since_s = now_s
        if now_s - self._fault_since_s >= FAULT_GRACE_S:
            self._report("hls_folder", self.folder.fault, "failing")

    def _check_lost(self, now_s: float) -> None:
        lost = self.folder.lost + self.publisher.lost
        if lost > self._lost:
            self._lost, self._lost_at_s = lost, now_s
            self._report("segments_lost", f"{lost} segments lost since the start", "degraded")
        elif now_s - self._lost_at_s > LOST_SHOWN_S:
            self.problems.clear("segments_lost")

    def _check_live(self) -> None:
        """Owncast says when a stream ends; when it died it says nothing, but segments stop."""
        age_s = self._segment_age_s()
        silence_s = max(
            SILENCE_AT_LEAST_S, SILENCE_TARGET_DURATIONS * self.timeline.target_duration
        )
        live = self.folder.live and age_s is not None and age_s < silence_s
        if live != self.live:
            self.live = live
            log.info("the station is %s", "live" if live else "offline")
            self.announcer.changed()

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

    def _report(self, code: str, message: str, severity: Severity) -> None:
        self.problems.report(code, message, severity=severity, now=datetime.now(UTC).isoformat())


async def run(settings: BroadcasterSettings) -> None:
    """Run the broadcaster until SIGTERM or SIGINT."""
    stop = stop_event()
    broadcaster = Broadcaster(settings)
    runner = await start(
        create_app(broadcaster.views, broadcaster.health), SERVICE, settings.broadcaster_url
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
        broadcaster.store.close()
        await runner.cleanup()

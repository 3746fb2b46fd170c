"""Looks for what is wrong, and for the start and end of streams; makes the body of `/health`."""

import asyncio
import logging
import time
from typing import Literal

import msgspec

from shoal.aio import Changes
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.metrics import (
    LIVE,
    SEGMENTS_LOST,
    TORRENT_PEERS,
    TORRENT_UPLOADED_BYTES,
)
from shoal.broadcaster.on_air import OnAir
from shoal.broadcaster.owncast_status import OwncastStatus
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problem, Problems

log = logging.getLogger("shoal.broadcaster")

CHECK_S = 0.25
FAULT_GRACE_S = 1.0
"""a folder that is being recreated is not a problem yet"""
LOST_SHOWN_S = 60.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/health`; sent with status 503 when failing."""

    status: Literal["ok", "degraded", "failing"]
    live: bool
    """whether Owncast is writing a stream now"""
    torrents: int
    peers: int
    """viewers connected in rooms, plus torrent peers"""
    room_peers: int
    torrent_peers: int
    chunks: int
    """segments published since the station was set up"""
    signaling: Literal["connected", "disconnected"]
    last_segment_age_s: float | None
    """seconds since a segment was published; null before the first"""
    store: Literal["ok", "failing"]
    standby: Literal["ok", "failing", "off"]
    """the torrent seed"""
    problems: list[Problem]


class HealthMonitor:
    """Reads the parts several times a second; they know nothing of it."""

    def __init__(
        self,
        *,
        problems: Problems,
        watcher: HlsWatcher,
        owncast: OwncastStatus,
        timeline: Timeline,
        state: StateFile,
        pipeline: Pipeline,
        uploader: Uploader,
        seed: TorrentSeed | None,
        on_air: OnAir,
        announcer: Announcer,
        end_grace_s: float,
        changes: Changes,
    ) -> None:
        """`end_grace_s` is how long a stream may be interrupted before its playlists end."""
        self._problems = problems
        self._watcher = watcher
        self._owncast = owncast
        self._timeline = timeline
        self._state = state
        self._pipeline = pipeline
        self._uploader = uploader
        self._seed = seed
        self._on_air = on_air
        self._announcer = announcer
        self._end_grace_s = end_grace_s
        self._changes = changes
        self._fault_since_s: float | None = None
        self._listed_since_s: float | None = None
        self._lost = 0
        self._lost_at_s = 0.0
        self._live = False
        self._offline_since_s = time.monotonic()
        self._counted_upload_bytes = 0

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            self.check(time.monotonic())
            await asyncio.sleep(CHECK_S)

    def check(self, now_s: float) -> None:
        """Report what is wrong, clear what is over, and end streams; `now_s` is monotonic."""
        self._check_hls_folder(now_s)
        self._check_store()
        self._check_silence(now_s)
        self._check_lost(now_s)
        self._report_or_clear("bypass", self._owncast.bypass_problem(now_s))
        self._report_or_clear("owncast", self._owncast.silence_problem(now_s))
        self._report_or_clear("signaling", self._announcer.fault)
        self._check_seed()
        self._check_live(now_s)
        self._check_end(now_s)

    def health(self) -> Health:
        """Return the body of `/health`."""
        age_s = self._on_air.segment_age_s()
        torrent_peers = self._seed.peers if self._seed else 0
        return Health(
            status=self._problems.status,
            live=self._on_air.live,
            torrents=self._seed.torrents if self._seed else 0,
            peers=self._announcer.room_peers + torrent_peers,
            room_peers=self._announcer.room_peers,
            torrent_peers=torrent_peers,
            chunks=self._timeline.published,
            signaling="connected" if self._announcer.connected else "disconnected",
            last_segment_age_s=None if age_s is None else round(age_s, 3),
            store="ok" if self._uploader.healthy else "failing",
            standby=self._seed.status if self._seed else "off",
            problems=self._problems.standing(),
        )

    def _check_hls_folder(self, now_s: float) -> None:
        """Report a problem if Owncast's folder cannot be read."""
        if self._watcher.fault is None:
            self._fault_since_s = None
            self._problems.clear("hls_folder")
            return
        if self._fault_since_s is None:
            self._fault_since_s = now_s
        if now_s - self._fault_since_s >= FAULT_GRACE_S:
            self._problems.report("hls_folder", self._watcher.fault, "failing")

    def _check_store(self) -> None:
        fault = self._uploader.fault
        if fault is None:
            self._problems.clear("store")
        elif self._seed is not None and self._seed.status == "ok":
            self._problems.report(
                "store",
                f"cannot store segments: {fault}; viewers get them from the torrent seed, except"
                " those without WebRTC",
                "degraded",
            )
        else:
            self._problems.report("store", f"cannot store segments: {fault}", "failing")

    def _check_silence(self, now_s: float) -> None:
        """Report a problem if Owncast is on air but nothing is published: never look healthy then.

        While the store fails, its own problem explains the silence.
        """
        listed = self._watcher.live
        if not listed and not self._owncast.online:
            self._listed_since_s = None
            self._problems.clear("no_segments")
            return
        if self._listed_since_s is None:
            self._listed_since_s = now_s
        since_s = max(self._listed_since_s, self._pipeline.published_at_s or 0.0)
        if now_s - since_s < self._on_air.allowed_silence_s:
            self._problems.clear("no_segments")
        elif self._uploader.healthy:
            if listed:
                reason = (
                    self._watcher.last_rejection or "no new one is listed: has its encoder died?"
                )
                on_air = "Owncast's playlist names a live stream"
            else:
                reason = f"does Owncast write to {self._watcher.path}?"
                on_air = "Owncast reports that it is online"
            self._problems.report(
                "no_segments",
                f"{on_air}, but no segment was published for {now_s - since_s:.0f} s; {reason}",
                "failing",
            )

    def _check_lost(self, now_s: float) -> None:
        """Report segments that were gone before they could be read, or published."""
        unread, unpublished = self._watcher.lost, self._pipeline.lost
        lost = unread + unpublished
        if lost > self._lost:
            SEGMENTS_LOST.inc(lost - self._lost)
            self._lost, self._lost_at_s = lost, now_s
            lines: list[str] = []
            if unread:
                lines.append(
                    f"{unread} segments disappeared from Owncast's folder before they could be"
                    " read: is this host too slow?"
                )
            if unpublished:
                lines.append(
                    f"{unpublished} segments had been read, but were gone from the spool before a"
                    " source had them: check the disk"
                )
            message = f"since the start, {'; '.join(lines)}"
            self._problems.report("segments_lost", message, "degraded")
        elif now_s - self._lost_at_s > LOST_SHOWN_S:
            self._problems.clear("segments_lost")

    def _check_seed(self) -> None:
        if self._seed is None:
            return
        TORRENT_PEERS.set(self._seed.peers)
        TORRENT_UPLOADED_BYTES.inc(self._seed.uploaded_bytes - self._counted_upload_bytes)
        self._counted_upload_bytes = self._seed.uploaded_bytes
        fault = self._seed.fault
        self._report_or_clear("standby", fault and f"the torrent seed: {fault}")

    def _check_live(self, now_s: float) -> None:
        live = self._on_air.live
        if live != self._live:
            self._live, self._offline_since_s = live, now_s
            LIVE.set(live)
            log.info("the station is %s", "live" if live else "offline")
            self._changes.notify()

    def _check_end(self, now_s: float) -> None:
        """End the playlists after the grace period, but never while a segment is in progress."""
        if self._live or self._timeline.ended or not self._timeline.windows:
            return
        if now_s - self._offline_since_s >= self._end_grace_s and self._pipeline.idle:
            self._timeline.end()
            self._state.save(self._timeline)
            log.info("the stream is over: EXT-X-ENDLIST added to the playlists")
            self._changes.notify()

    def _report_or_clear(self, code: str, message: str | None) -> None:
        if message:
            self._problems.report(code, message, "degraded")
        else:
            self._problems.clear(code)

"""The seeder process: seeds over WebRTC and, if it may listen, over TCP and uTP.

    python -m shoal.broadcaster.seeding.process

reads commands from standard input and writes reports to standard output (ipc.py) until the input
ends.
"""

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import libtorrent as lt

from shoal.broadcaster.seeding.ipc import (
    MAX_LINE_BYTES,
    AddTorrent,
    Configure,
    LogLine,
    RemoveTorrent,
    Report,
    SeederStats,
    TorrentAnnounced,
    decode_command,
    encode,
)
from shoal.broadcaster.seeding.libtorrent_session import LibtorrentSession, infohash_of
from shoal.broadcaster.seeding.tracker_proxy import TrackerProxy
from shoal.broadcaster.seeding.tracker_scraper import Swarm, TrackerScraper
from shoal.broadcaster.seeding.upload_log import LINE_INTERVAL_S, UploadLog
from shoal.broadcaster.torrents import Torrent
from shoal.token_bucket import TokenBucket

BURST_S = 5.0
"""what may be uploaded at once, in seconds of the upload budget"""
RECOVERED = 0.5
"""fraction of a burst that must be left before the rate limit is lifted"""
STATS_MIN_INTERVAL_S = 0.1
STATS_MAX_INTERVAL_S = 1.0
BLOCK_BYTES = 16 * 1024
"""BitTorrent's unit of transfer (BEP 3)"""
FIRST_LINE_S = 1.0
"""how long after its start a transfer is logged"""
REANNOUNCE_S = 1.5
"""how long an announce may take to be answered before it is repeated"""
REOFFER_FIRST_S = 0.5
"""while peers of a torrent lack data it is announced again, each time after twice as long: an
announce gives them new offers, and lets libtorrent answer as many of theirs"""
LEAVE_INTERVAL_S = 0.5
MAX_CONNECTIONS = 2_000


class UploadBudget:
    """Keeps uploads within a budget on average, by limiting libtorrent's rate when necessary.

    The limit is not permanent because libtorrent's rate limiter hands out bytes in ticks: with it a
    segment took a browser 1.7 s instead of 0.5 s, however high the limit.
    """

    def __init__(self, bytes_per_s: float, now_s: float) -> None:
        """Start with a full burst; `now_s` is a monotonic clock, in seconds."""
        self.bytes_per_s = bytes_per_s
        self.limited = False
        """whether the rate must be limited to `bytes_per_s`"""
        self._bucket = TokenBucket(bytes_per_s, bytes_per_s * BURST_S, now_s)

    def spend(self, size: int, now_s: float) -> None:
        """Note that `size` bytes were uploaded; call it regularly with 0 while limited."""
        left = self._bucket.spend(now_s, size)
        if left <= 0:
            self.limited = True
        elif left >= self.bytes_per_s * BURST_S * RECOVERED:
            self.limited = False


@dataclass
class _SeededTorrent:
    torrent: Torrent
    announced_at_s: float
    """when its last announce was requested"""
    reoffer_after_s: float = REOFFER_FIRST_S
    leechers: int = 0
    """peers that lacked data at the last scrape"""
    handle: lt.torrent_handle | None = None
    """None until libtorrent has added it"""
    announced: bool = False


class SeederProcess:
    """A libtorrent session that only uploads. Must be created inside a running event loop."""

    def __init__(self, settings: Configure, report: Callable[[Report], None]) -> None:
        """Seed according to `settings`; `report` must not block for long."""
        self._report = report
        self._proxy = TrackerProxy(settings.tracker_url)
        self._not_counted = (settings.not_counted or "").encode()
        self._seeded: dict[str, _SeededTorrent] = {}
        self._removed: dict[str, lt.torrent_handle] = {}
        """by infohash: removed, but perhaps still in use by libtorrent"""
        self._upload_log = UploadLog()
        self._loop = asyncio.get_running_loop()
        self._line_timer: asyncio.TimerHandle | None = None
        self._line_at_s = 0.0
        self._scraper = TrackerScraper(
            settings.tracker_url, lambda: self._seeded, self._on_scraped, self._on_tracker_lost
        )
        self._budget = UploadBudget(settings.upload_mbps * 1_000_000 / 8, self._loop.time())
        options: dict[str, str | int | bool] = {
            "webtorrent_stun_server": settings.stun_server,
            "max_webtorrent_offers": settings.offers,
            "ignore_limits_on_local_network": False,
            "allow_multiple_connections_per_ip": True,
            "connections_limit": MAX_CONNECTIONS,
            "active_seeds": -1,
            "active_limit": -1,
            "active_tracker_limit": -1,
            "unchoke_slots_limit": -1,
        }
        if (port := settings.listen_port) is not None:
            options["listen_interfaces"] = f"0.0.0.0:{port},[::]:{port}"
            options["enable_incoming_tcp"] = options["enable_incoming_utp"] = True
        self._session = LibtorrentSession(self._on_alert, options)

    def add(self, torrent: Torrent, path: Path) -> None:
        """Seed a torrent whose data is in `path`, unless it is seeded already.

        The file must stay until `remove`.
        """
        if torrent.infohash in self._seeded:
            return
        params = lt.load_torrent_buffer(torrent.metainfo)
        params.save_path = str(path.parent)
        params.renamed_files = {0: path.name}
        params.trackers = [self._proxy.url]
        params.url_seeds = []
        params.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.disable_pex
        self._seeded[torrent.infohash] = _SeededTorrent(torrent, self._loop.time())
        self._session.add(params)

    def remove(self, infohash: str) -> None:
        """Stop seeding a torrent; its file may be deleted then. Unknown torrents are ignored."""
        seeded = self._seeded.pop(infohash, None)
        if seeded is not None and seeded.handle is not None:
            self._remove_handle(infohash, seeded.handle)

    def _remove_handle(self, infohash: str, handle: lt.torrent_handle) -> None:
        self._session.remove(handle)
        self._removed[infohash] = handle

    async def run(self) -> None:
        """Keep tracker and broadcaster up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._proxy.run())
            tasks.create_task(self._scraper.run())
            tasks.create_task(self._leave_swarms())
            tasks.create_task(self._report_stats())

    async def _report_stats(self) -> None:
        reported, reported_at_s = None, 0.0
        while True:
            now_s = self._loop.time()
            stats = SeederStats(
                self._upload_log.peers(now_s), self._upload_log.uploaded_bytes, self._scraper.fault
            )
            if stats != reported or now_s - reported_at_s >= STATS_MAX_INTERVAL_S:
                reported, reported_at_s = stats, now_s
                self._report(stats)
            await asyncio.sleep(STATS_MIN_INTERVAL_S)

    async def _leave_swarms(self) -> None:
        while True:
            for infohash in [h for h, handle in self._removed.items() if not handle.is_valid()]:
                del self._removed[infohash]
                if infohash not in self._seeded:  # unless it was added again
                    await self._proxy.leave(infohash)
            await asyncio.sleep(LEAVE_INTERVAL_S)

    def _log(self, level: int, text: str) -> None:
        self._report(LogLine(level, text))

    def _set_announced(self, seeded: _SeededTorrent, *, announced: bool) -> None:
        if seeded.announced != announced:
            seeded.announced = announced
            self._report(TorrentAnnounced(seeded.torrent.infohash, announced))

    def _on_alert(self, alert: lt.alert) -> None:
        if isinstance(alert, lt.listen_failed_alert):
            self._log(logging.ERROR, f"cannot listen for torrent peers: {alert.message()}")
            return
        if isinstance(alert, lt.add_torrent_alert):
            self._on_added(alert)
            return
        if not isinstance(alert, lt.torrent_alert):
            return
        seeded = self._seeded.get(infohash_of(alert.handle))
        if seeded is None:
            return
        if isinstance(alert, lt.block_uploaded_alert):
            self._on_block(seeded.torrent, alert)
        elif isinstance(alert, lt.tracker_reply_alert):
            self._set_announced(seeded, announced=True)
        elif isinstance(alert, lt.tracker_error_alert):
            self._set_announced(seeded, announced=False)
        elif isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
            self._log(logging.ERROR, f"cannot seed {seeded.torrent.name}: {alert.message()}")

    def _on_added(self, alert: lt.add_torrent_alert) -> None:
        infohash = str(alert.params.info_hashes.v1)
        seeded = self._seeded.get(infohash)
        if alert.error.value():
            self._log(logging.ERROR, f"cannot seed a torrent: {alert.message()}")
        elif seeded is None:  # removed in the meantime
            self._remove_handle(infohash, alert.handle)
        else:
            seeded.handle = alert.handle

    def _on_block(self, torrent: Torrent, alert: lt.block_uploaded_alert) -> None:
        start = alert.piece_index * torrent.piece_bytes + alert.block_index * BLOCK_BYTES
        size = min(BLOCK_BYTES, torrent.size - start)
        self._spend(size)
        peer = alert.pid.to_bytes()
        if self._not_counted and peer.startswith(self._not_counted):
            return
        now_s = self._loop.time()
        line = self._upload_log.record(peer, torrent.name, size, now_s)
        if line is not None:
            self._log(logging.INFO, line)
        if self._line_timer is None:
            at_s = max(now_s + FIRST_LINE_S, self._line_at_s + LINE_INTERVAL_S)
            self._line_timer = self._loop.call_at(at_s, self._log_uploads)

    def _log_uploads(self) -> None:
        self._line_timer = None
        self._line_at_s = self._loop.time()
        line = self._upload_log.summary()
        if line is not None:
            self._log(logging.INFO, line)

    def _on_tracker_lost(self) -> None:
        for seeded in self._seeded.values():
            self._set_announced(seeded, announced=False)

    def _on_scraped(self, swarms: Mapping[str, Swarm]) -> None:
        """Announce again what the tracker does not know and what peers are waiting for."""
        now_s = self._loop.time()
        for infohash, swarm in swarms.items():
            seeded = self._seeded.get(infohash)
            if seeded is None or seeded.handle is None:
                continue
            if swarm.complete == 0:
                self._set_announced(seeded, announced=False)
            if swarm.incomplete == 0 or swarm.incomplete > seeded.leechers:
                seeded.reoffer_after_s = REOFFER_FIRST_S
            seeded.leechers = swarm.incomplete
            elapsed_s = now_s - seeded.announced_at_s
            if not seeded.announced:
                due = elapsed_s >= REANNOUNCE_S
            elif due := bool(swarm.incomplete) and elapsed_s >= seeded.reoffer_after_s:
                seeded.reoffer_after_s *= 2
            if due:
                seeded.announced_at_s = now_s
                seeded.handle.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
        self._spend(0)

    def _spend(self, size: int) -> None:
        limited = self._budget.limited
        self._budget.spend(size, self._loop.time())
        if self._budget.limited != limited:
            limit = int(self._budget.bytes_per_s) if self._budget.limited else 0
            self._session.apply({"upload_rate_limit": limit})


def _write(report: Report) -> None:
    sys.stdout.buffer.write(encode(report))
    sys.stdout.buffer.flush()


def _exit(task: asyncio.Task[None]) -> None:
    """Exit when a part has failed: a half-working seeder is worse than none, which is replaced."""
    if not task.cancelled() and (error := task.exception()) is not None:
        traceback.print_exception(error)
    os._exit(1)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    seeder: SeederProcess | None = None
    running: asyncio.Task[None] | None = None
    while line := await commands.readline():
        command = decode_command(line)
        if isinstance(command, Configure):
            seeder = SeederProcess(command, _write)
            running = asyncio.create_task(seeder.run())
            running.add_done_callback(_exit)
        elif seeder is not None and isinstance(command, AddTorrent):
            seeder.add(command.torrent, Path(command.path))
        elif seeder is not None and isinstance(command, RemoveTorrent):
            seeder.remove(command.infohash)
    os._exit(0)  # closing the session may hang


if __name__ == "__main__":
    # these go to the whole process group: the broadcaster stops this process when it is done
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_main())

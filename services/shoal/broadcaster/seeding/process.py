"""The seeder process: seeds over WebRTC, and over TCP and uTP where it may listen.

    python -m shoal.broadcaster.seeding.process

takes orders from standard input and reports to standard output (ipc.py), until the input ends.
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

from shoal.broadcaster.seeding.budget import UploadBudget
from shoal.broadcaster.seeding.ipc import (
    MAX_LINE_BYTES,
    Add,
    Announced,
    Figures,
    Open,
    Remove,
    Report,
    Said,
    decode_order,
    encode,
)
from shoal.broadcaster.seeding.libtorrent_session import Session, infohash_of
from shoal.broadcaster.seeding.tracker_proxy import Relay
from shoal.broadcaster.seeding.tracker_scraper import Swarm, Watch
from shoal.broadcaster.seeding.upload_log import LINE_INTERVAL_S, Served
from shoal.broadcaster.torrents import Torrent

FIGURES_INTERVAL_S = 0.1
FIGURES_AT_LEAST_S = 1.0
BLOCK_BYTES = 16 * 1024
"""BitTorrent's unit of transfer (BEP 3)"""
FIRST_LINE_S = 1.0
"""a transfer that begins is given this long before it is reported"""
REANNOUNCE_S = 1.5
"""an announce is given this long to be answered before it is made again"""
OFFER_AGAIN_S = 0.5
"""while peers of a torrent lack data it is announced again, each time after twice as long: an
announce gives them new offers, and lets libtorrent answer as many of theirs"""
GOODBYE_INTERVAL_S = 0.5
MAX_CONNECTIONS = 2_000


@dataclass
class _Seeded:
    torrent: Torrent
    asked_at_s: float
    """when its last announce was asked for"""
    patience_s: float = OFFER_AGAIN_S
    waiting: int = 0
    """peers that lacked data when the tracker was last asked"""
    handle: lt.torrent_handle | None = None
    """None until libtorrent has taken it"""
    announced: bool = False


class Worker:
    """A libtorrent session that only uploads. Must be made inside a running event loop."""

    def __init__(self, settings: Open, report: Callable[[Report], None]) -> None:
        """Seed as `settings` say; `report` must not block for long."""
        self._report = report
        self._relay = Relay(settings.tracker_url)
        self._not_counted = (settings.not_counted or "").encode()
        self._seeded: dict[str, _Seeded] = {}
        self._leaving: dict[str, lt.torrent_handle] = {}
        """by infohash: removed, but libtorrent may not be done with it"""
        self._served = Served()
        self._loop = asyncio.get_running_loop()
        self._line_timer: asyncio.TimerHandle | None = None
        self._line_at_s = 0.0
        self._watch = Watch(
            settings.tracker_url, lambda: self._seeded, self._on_scraped, self._on_lost
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
        self._session = Session(self._on_alert, options)

    def add(self, torrent: Torrent, path: Path) -> None:
        """Seed a torrent whose data lies in `path`; one that is seeded already stays as it is.

        The file must stay until `remove`.
        """
        if torrent.infohash in self._seeded:
            return
        params = lt.load_torrent_buffer(torrent.metainfo)
        params.save_path = str(path.parent)
        params.renamed_files = {0: path.name}
        params.trackers = [self._relay.url]
        params.url_seeds = []
        params.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.disable_pex
        self._seeded[torrent.infohash] = _Seeded(torrent, self._loop.time())
        self._session.add(params)

    def remove(self, infohash: str) -> None:
        """Seed a torrent no more; its file may be deleted then. An unknown one is ignored."""
        seeded = self._seeded.pop(infohash, None)
        if seeded is not None and seeded.handle is not None:
            self._let_go(infohash, seeded.handle)

    def _let_go(self, infohash: str, handle: lt.torrent_handle) -> None:
        self._session.remove(handle)
        self._leaving[infohash] = handle

    async def run(self) -> None:
        """Keep the tracker and the broadcaster informed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relay.run())
            tasks.create_task(self._watch.run())
            tasks.create_task(self._say_goodbyes())
            tasks.create_task(self._tell_figures())

    async def _tell_figures(self) -> None:
        told, told_at_s = None, 0.0
        while True:
            now_s = self._loop.time()
            figures = Figures(
                self._served.peers(now_s), self._served.uploaded_bytes, self._watch.fault
            )
            if figures != told or now_s - told_at_s >= FIGURES_AT_LEAST_S:
                told, told_at_s = figures, now_s
                self._report(figures)
            await asyncio.sleep(FIGURES_INTERVAL_S)

    async def _say_goodbyes(self) -> None:
        while True:
            for infohash in [h for h, handle in self._leaving.items() if not handle.is_valid()]:
                del self._leaving[infohash]
                if infohash not in self._seeded:  # else it was added again
                    await self._relay.forget(infohash)
            await asyncio.sleep(GOODBYE_INTERVAL_S)

    def _say(self, level: int, text: str) -> None:
        self._report(Said(level, text))

    def _mark(self, seeded: _Seeded, *, announced: bool) -> None:
        if seeded.announced != announced:
            seeded.announced = announced
            self._report(Announced(seeded.torrent.infohash, announced))

    def _on_alert(self, alert: lt.alert) -> None:
        if isinstance(alert, lt.listen_failed_alert):
            self._say(logging.ERROR, f"torrents: {alert.message()}")
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
            self._mark(seeded, announced=True)
        elif isinstance(alert, lt.tracker_error_alert):
            self._mark(seeded, announced=False)
        elif isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
            self._say(logging.ERROR, f"cannot seed {seeded.torrent.name}: {alert.message()}")

    def _on_added(self, alert: lt.add_torrent_alert) -> None:
        infohash = str(alert.params.info_hashes.v1)
        seeded = self._seeded.get(infohash)
        if alert.error.value():
            self._say(logging.ERROR, f"cannot seed: {alert.message()}")
        elif seeded is None:  # removed in the meantime
            self._let_go(infohash, alert.handle)
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
        line = self._served.took(peer, torrent.name, size, now_s)
        if line is not None:
            self._say(logging.INFO, line)
        if self._line_timer is None:
            at_s = max(now_s + FIRST_LINE_S, self._line_at_s + LINE_INTERVAL_S)
            self._line_timer = self._loop.call_at(at_s, self._say_uploaded)

    def _say_uploaded(self) -> None:
        self._line_timer = None
        self._line_at_s = self._loop.time()
        line = self._served.line()
        if line is not None:
            self._say(logging.INFO, line)

    def _on_lost(self) -> None:
        for seeded in self._seeded.values():
            self._mark(seeded, announced=False)

    def _on_scraped(self, swarms: Mapping[str, Swarm]) -> None:
        """Announce again what the tracker does not know, and what peers wait for."""
        now_s = self._loop.time()
        for infohash, swarm in swarms.items():
            seeded = self._seeded.get(infohash)
            if seeded is None or seeded.handle is None:
                continue
            if swarm.complete == 0:
                self._mark(seeded, announced=False)
            if swarm.incomplete == 0 or swarm.incomplete > seeded.waiting:
                seeded.patience_s = OFFER_AGAIN_S
            seeded.waiting = swarm.incomplete
            asked_s_ago = now_s - seeded.asked_at_s
            if not seeded.announced:
                due = asked_s_ago >= REANNOUNCE_S
            elif due := bool(swarm.incomplete) and asked_s_ago >= seeded.patience_s:
                seeded.patience_s *= 2
            if due:
                seeded.asked_at_s = now_s
                seeded.handle.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
        self._spend(0)

    def _spend(self, size: int) -> None:
        limited = self._budget.limited
        self._budget.take(size, self._loop.time())
        if self._budget.limited != limited:
            limit = int(self._budget.bytes_per_s) if self._budget.limited else 0
            self._session.apply({"upload_rate_limit": limit})


def _write(report: Report) -> None:
    sys.stdout.buffer.write(encode(report))
    sys.stdout.buffer.flush()


def _die(task: asyncio.Task[None]) -> None:
    """A worker that does only half of its work is worse than none: another is started."""
    if not task.cancelled() and (error := task.exception()) is not None:
        traceback.print_exception(error)
    os._exit(1)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    worker: Worker | None = None
    running: asyncio.Task[None] | None = None
    while line := await orders.readline():
        order = decode_order(line)
        if isinstance(order, Open):
            worker = Worker(order, _write)
            running = asyncio.create_task(worker.run())
            running.add_done_callback(_die)
        elif worker is not None and isinstance(order, Add):
            worker.add(order.torrent, Path(order.path))
        elif worker is not None and isinstance(order, Remove):
            worker.remove(order.infohash)
    os._exit(0)  # the end of a session may hang


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # they come to all; the broadcaster ends us
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_main())

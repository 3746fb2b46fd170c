"""Seeds the torrents of the live window over WebRTC, and over TCP and uTP where it may listen."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import libtorrent as lt

from shoal.broadcaster.standby.budget import Budget
from shoal.broadcaster.standby.served import LINE_INTERVAL_S, Served
from shoal.broadcaster.standby.session import MAX_WEBTORRENT_OFFERS, Session, infohash_of
from shoal.broadcaster.standby.torrents import PIECE_BYTES, Torrent
from shoal.broadcaster.standby.watch import Swarm, Watch

log = logging.getLogger("shoal.broadcaster")

BLOCK_BYTES = 16 * 1024
"""BitTorrent's unit of transfer (BEP 3)"""
FIRST_LINE_S = 1.0
"""a transfer that begins is given this long before it is reported"""
REANNOUNCE_S = 1.5
"""an announce is given this long to be answered before it is made again"""
OFFER_AGAIN_S = 0.5
"""while peers of a torrent lack data it is announced again, each time after twice as long: an
announce gives them new offers, and lets libtorrent answer as many of theirs"""
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
    announced: asyncio.Event = field(default_factory=asyncio.Event)


class Seeder:
    """A libtorrent session that only uploads. Must be made inside a running event loop."""

    def __init__(
        self,
        *,
        tracker_url: str,
        upload_mbps: float,
        stun_server: str = "",
        listen_port: int | None = None,
        not_counted: str | None = None,
        offers: int = MAX_WEBTORRENT_OFFERS,
    ) -> None:
        """Seed through the tracker at `tracker_url` (ws or wss), whatever the magnets name.

        `upload_mbps` bounds all uploads together, in Mbit/s. `stun_server` is host:port, or empty.
        With `listen_port` peers are also served over TCP and uTP. Peers whose id begins with
        `not_counted` are served but not counted.
        """
        self._tracker_url = tracker_url
        self._not_counted = None if not_counted is None else not_counted.encode()
        self._seeded: dict[str, _Seeded] = {}
        self._served = Served()
        self._loop = asyncio.get_running_loop()
        self._line_timer: asyncio.TimerHandle | None = None
        self._line_at_s = 0.0
        self._watch = Watch(tracker_url, lambda: self._seeded, self._on_scraped, self._on_lost)
        self._budget = Budget(upload_mbps * 1_000_000 / 8, self._loop.time())
        settings: dict[str, str | int | bool] = {
            "webtorrent_stun_server": stun_server,
            "max_webtorrent_offers": offers,
            "ignore_limits_on_local_network": False,
            "allow_multiple_connections_per_ip": True,
            "connections_limit": MAX_CONNECTIONS,
            "active_seeds": -1,
            "active_limit": -1,
            "active_tracker_limit": -1,
            "unchoke_slots_limit": -1,
        }
        if listen_port is not None:
            settings["listen_interfaces"] = f"0.0.0.0:{listen_port},[::]:{listen_port}"
            settings["enable_incoming_tcp"] = settings["enable_incoming_utp"] = True
        self._session = Session(self._on_alert, settings)

    @property
    def torrents(self) -> int:
        """Torrents that are seeded."""
        return len(self._seeded)

    @property
    def peers(self) -> int:
        """Torrent peers that are being served."""
        return self._served.peers(self._loop.time())

    @property
    def uploaded_bytes(self) -> int:
        """Payload bytes that peers took since the start."""
        return self._served.uploaded_bytes

    @property
    def fault(self) -> str | None:
        """Why the tracker cannot be reached, None while it can."""
        return self._watch.fault

    def add(self, torrent: Torrent, path: Path) -> None:
        """Seed a torrent whose data lies in `path`; one that is seeded already stays as it is.

        The file must stay until `remove`.
        """
        if torrent.infohash in self._seeded:
            return
        params = lt.load_torrent_buffer(torrent.metainfo)
        params.save_path = str(path.parent)
        params.renamed_files = {0: path.name}
        params.trackers = [self._tracker_url]
        params.url_seeds = []
        params.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.disable_pex
        self._seeded[torrent.infohash] = _Seeded(torrent, self._loop.time())
        self._session.add(params)

    def remove(self, infohash: str) -> None:
        """Seed a torrent no more; its file may be deleted then. An unknown one is ignored."""
        seeded = self._seeded.pop(infohash, None)
        if seeded is not None and seeded.handle is not None:
            self._session.remove(seeded.handle)

    def announced(self, infohash: str) -> bool:
        """Say whether the tracker has acknowledged a torrent, and is not known to have lost it."""
        seeded = self._seeded.get(infohash)
        return seeded is not None and seeded.announced.is_set()

    async def until_announced(self, infohash: str) -> None:
        """Wait until `announced`; raises KeyError when the torrent is not seeded."""
        await self._seeded[infohash].announced.wait()

    async def run(self) -> None:
        """Keep the tracker informed until cancelled."""
        await self._watch.run()

    async def close(self) -> None:
        """Disconnect everybody and end the session. Call it last, when `run` has ended."""
        if self._line_timer is not None:
            self._line_timer.cancel()
        self._seeded.clear()
        await self._session.close(self._tracker_url)

    def _on_alert(self, alert: lt.alert) -> None:
        if isinstance(alert, lt.listen_failed_alert):
            log.error("torrents: %s", alert.message())
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
            seeded.announced.set()
        elif isinstance(alert, lt.tracker_error_alert):
            seeded.announced.clear()
        elif isinstance(alert, lt.torrent_error_alert | lt.file_error_alert):
            log.error("cannot seed %s: %s", seeded.torrent.name, alert.message())

    def _on_added(self, alert: lt.add_torrent_alert) -> None:
        seeded = self._seeded.get(str(alert.params.info_hashes.v1))
        if alert.error.value():
            log.error("cannot seed: %s", alert.message())
        elif seeded is None:  # removed in the meantime
            self._session.remove(alert.handle)
        else:
            seeded.handle = alert.handle

    def _on_block(self, torrent: Torrent, alert: lt.block_uploaded_alert) -> None:
        start = alert.piece_index * PIECE_BYTES + alert.block_index * BLOCK_BYTES
        size = min(BLOCK_BYTES, torrent.size - start)
        self._spend(size)
        peer = alert.pid.to_bytes()
        if self._not_counted and peer.startswith(self._not_counted):
            return
        now_s = self._loop.time()
        line = self._served.took(peer, torrent.name, size, now_s)
        if line is not None:
            log.info(line)
        if self._line_timer is None:
            at_s = max(now_s + FIRST_LINE_S, self._line_at_s + LINE_INTERVAL_S)
            self._line_timer = self._loop.call_at(at_s, self._say_uploaded)

    def _say_uploaded(self) -> None:
        self._line_timer = None
        self._line_at_s = self._loop.time()
        line = self._served.line()
        if line is not None:
            log.info(line)

    def _on_lost(self) -> None:
        for seeded in self._seeded.values():
            seeded.announced.clear()

    def _on_scraped(self, swarms: Mapping[str, Swarm]) -> None:
        """Announce again what the tracker does not know, and what peers wait for."""
        now_s = self._loop.time()
        for infohash, swarm in swarms.items():
            seeded = self._seeded.get(infohash)
            if seeded is None or seeded.handle is None:
                continue
            if swarm.complete == 0:
                seeded.announced.clear()
            if swarm.incomplete == 0 or swarm.incomplete > seeded.waiting:
                seeded.patience_s = OFFER_AGAIN_S
            seeded.waiting = swarm.incomplete
            asked_s_ago = now_s - seeded.asked_at_s
            if not seeded.announced.is_set():
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

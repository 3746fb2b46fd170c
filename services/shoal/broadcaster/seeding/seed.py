"""The torrent seed as the pipeline sees it: seeds the live window, and knows whether that works."""

import asyncio
from pathlib import Path
from typing import Literal

from shoal.auth import seed_token
from shoal.broadcaster.seeding.canary import Canary
from shoal.broadcaster.seeding.supervisor import SeederSupervisor
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import Torrent, make_torrent, tracker_of
from shoal.config.settings import BroadcasterSettings


class TorrentSeed:
    """A seeder process and its canary. Must be created inside a running event loop."""

    def __init__(self, settings: BroadcasterSettings, timeline: Timeline) -> None:
        """Seed through the tracker of the settings; the canary fetches what `timeline` has."""
        address = settings.torrent_address
        # the seeder runs beside signaling; everybody else uses the public address
        own_tracker = tracker_of(settings.signaling_url)
        token = seed_token(settings.broadcaster_token.get_secret_value())
        self._tracker_url = settings.tracker_url or own_tracker
        self._peer_address = address
        self._canary = Canary(timeline, stun_server=settings.torrent_stun_server)
        self._supervisor = SeederSupervisor(
            tracker_url=f"{own_tracker}?seed={token}",
            upload_mbps=settings.torrent_upload_mbps,
            stun_server=settings.torrent_stun_server,
            listen_port=int(address.rpartition(":")[2]) if address else None,
            not_counted=self._canary.peer_prefix,
        )

    @property
    def torrents(self) -> int:
        """Number of torrents that are seeded."""
        return self._supervisor.torrents

    @property
    def peers(self) -> int:
        """Number of torrent peers that are being served."""
        return self._supervisor.peers

    @property
    def uploaded_bytes(self) -> int:
        """Payload bytes sent to torrent peers since the start."""
        return self._supervisor.uploaded_bytes

    @property
    def fault(self) -> str | None:
        """Why viewers cannot fetch from the seed, None if they can as far as we know."""
        return self._supervisor.fault or self._canary.fault

    @property
    def status(self) -> Literal["ok", "failing", "off"]:
        """`ok` once the canary has fetched a segment; `off` before the first result."""
        if self.fault is not None:
            return "failing"
        return "ok" if self._canary.status == "ok" else "off"

    async def add(self, path: Path, data: bytes, web_seed: str) -> Torrent:
        """Make a segment's torrent and seed it from `path` until `remove`.

        `web_seed` is the segment's URL in the store.
        """
        torrent = await asyncio.to_thread(
            make_torrent,
            data,
            name=path.name,
            tracker_url=self._tracker_url,
            web_seed=web_seed,
            peer_address=self._peer_address,
        )
        self._supervisor.add(torrent, path)
        return torrent

    def is_available(self, infohash: str) -> bool:
        """Return whether viewers find this torrent's seed through the tracker."""
        return self._supervisor.is_announced(infohash)

    def remove(self, infohash: str) -> None:
        """Stop seeding a torrent; its file may be deleted after that."""
        self._supervisor.remove(infohash)

    async def run(self) -> None:
        """Run the seeder process and the canary until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.run())
            tasks.create_task(self._canary.run())

    async def close(self) -> None:
        """Disconnect all peers."""
        await self._supervisor.close()

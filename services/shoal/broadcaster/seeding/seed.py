"""The torrent seed as the publisher sees it: it seeds the live window, and knows if that works."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from shoal.auth import seed_token
from shoal.broadcaster.seeding.canary import Canary, Sample
from shoal.broadcaster.seeding.supervisor import Seeder
from shoal.broadcaster.torrents import Torrent, make_torrent, tracker_of
from shoal.config.settings import BroadcasterSettings


class Standby:
    """A seeder and its canary. Must be made inside a running event loop."""

    def __init__(self, settings: BroadcasterSettings, newest: Callable[[], Sample | None]) -> None:
        """Seed for the settings' tracker; the canary fetches `newest()`."""
        address = settings.torrent_address
        # the seeder is beside signaling; everybody else comes by the public address
        own_tracker = tracker_of(settings.signaling_url)
        token = seed_token(settings.broadcaster_token.get_secret_value())
        self._tracker_url = settings.tracker_url or own_tracker
        self._peer_address = address
        self._canary = Canary(newest, stun_server=settings.torrent_stun_server)
        self._seeder = Seeder(
            tracker_url=f"{own_tracker}?seed={token}",
            upload_mbps=settings.torrent_upload_mbps,
            stun_server=settings.torrent_stun_server,
            listen_port=int(address.rpartition(":")[2]) if address else None,
            not_counted=self._canary.peer_prefix,
        )

    @property
    def torrents(self) -> int:
        """Torrents that are seeded."""
        return self._seeder.torrents

    @property
    def peers(self) -> int:
        """Torrent peers that are being served."""
        return self._seeder.peers

    @property
    def uploaded_bytes(self) -> int:
        """Payload bytes that torrent peers took since the start."""
        return self._seeder.uploaded_bytes

    @property
    def fault(self) -> str | None:
        """Why viewers could not fetch from the seed, None when they could as far as is known."""
        return self._seeder.fault or self._canary.fault

    @property
    def status(self) -> Literal["ok", "failing", "off"]:
        """`ok` once the canary has fetched a segment; `off` while nothing is known."""
        if self.fault is not None:
            return "failing"
        return "ok" if self._canary.status == "ok" else "off"

    async def seed(self, path: Path, data: bytes, web_seed: str) -> Torrent:
        """Make a segment's torrent and seed it from `path`, until `remove`.

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
        self._seeder.add(torrent, path)
        return torrent

    def serves(self, infohash: str) -> bool:
        """Say whether viewers find this torrent's seed through the tracker."""
        return self._seeder.announced(infohash)

    def remove(self, infohash: str) -> None:
        """Seed a torrent no more; its file may be deleted then."""
        self._seeder.remove(infohash)

    async def run(self) -> None:
        """Keep the tracker informed and the canary flying until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._seeder.run())
            tasks.create_task(self._canary.run())

    async def close(self) -> None:
        """Disconnect everybody."""
        await self._seeder.close()

"""Segments as torrents, and a second libtorrent process that fetches one.

    python -m tests.support.torrents MAGNET FOLDER {webrtc,tcp}

prints the SHA-256 of what it fetched over that transport alone, without web seeds.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.broadcaster.seeding.supervisor import SeederSupervisor
from shoal.broadcaster.torrents import Torrent, make_torrent

SEGMENT_BYTES = 1_200_000
NO_STORE = "http://127.0.0.1:9"
"""nothing listens there"""
FETCH_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Published:
    """A segment on disk and its torrent."""

    torrent: Torrent
    path: Path
    sha256: str


def publish(
    folder: Path, index: int, tracker_url: str, *, size: int = SEGMENT_BYTES, **options: Any
) -> Published:
    """Write a segment of random bytes, under another name than in the torrent."""
    data = os.urandom(size)
    path = folder / f"{index}.spooled"
    path.write_bytes(data)
    name = f"stream-abc-{index}.ts"
    torrent = make_torrent(
        data,
        name=name,
        tracker_url=tracker_url,
        web_seed=f"{NO_STORE}/live/0/{name}",
        **options,
    )
    return Published(torrent, path, hashlib.sha256(data).hexdigest())


@asynccontextmanager
async def seeding(tracker_url: str, **options: Any) -> AsyncGenerator[SeederSupervisor]:
    """Run a seeder; by default its budget is so large that it does not matter."""
    seeder = SeederSupervisor(tracker_url=tracker_url, **{"upload_mbps": 1000.0, **options})
    running = asyncio.create_task(seeder.run())
    try:
        yield seeder
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await seeder.close()


def fetching(magnet: str, folder: Path, transport: str) -> subprocess.Popen[str]:
    """Start a process that fetches a magnet; its output is the hash of the result."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.torrents", magnet, str(folder), transport],
        stdout=subprocess.PIPE,
        text=True,
    )


def main(magnet: str, folder: str, transport: str) -> None:
    """Fetch a magnet and print the SHA-256."""
    import libtorrent

    lt: Any = libtorrent
    over_tcp = transport == "tcp"
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_tcp": over_tcp,
            "enable_outgoing_utp": False,
            "webtorrent_stun_server": "",
            "stop_tracker_timeout": 0,
            "alert_mask": lt.alert_category.status,
        }
    )
    params = lt.parse_magnet_uri(magnet)
    params.save_path = folder
    params.url_seeds = []
    if over_tcp:
        params.trackers = []
    else:
        params.peers = []
    handle = session.add_torrent(params)
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    while not any(isinstance(a, lt.torrent_finished_alert) for a in session.pop_alerts()):
        if time.monotonic() > deadline:
            raise SystemExit("timed out")
        session.wait_for_alert(500)
    name = handle.status().name
    session.remove_torrent(handle)
    del handle, session
    sys.stdout.write(hashlib.sha256((Path(folder) / name).read_bytes()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Fetches a torrent from its web seed alone, in a process of its own.

    python -m tests.support.web_seed TORRENT FOLDER

libtorrent verifies each piece; the process fails unless all of them arrive in time.
"""

import sys
import time
from pathlib import Path
from typing import Any

TIMEOUT_S = 40.0


def main(torrent: str, folder: str) -> None:
    """Fetch a torrent into a folder."""
    import libtorrent

    lt: Any = libtorrent
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "stop_tracker_timeout": 0,
            "alert_mask": lt.alert_category.status,
        }
    )
    params = lt.load_torrent_buffer(Path(torrent).read_bytes())
    params.save_path = folder
    params.trackers = []
    handle = session.add_torrent(params)
    deadline = time.monotonic() + TIMEOUT_S
    while not any(isinstance(a, lt.torrent_finished_alert) for a in session.pop_alerts()):
        if time.monotonic() > deadline:
            raise SystemExit(f"timed out at {handle.status().progress:.0%}")
        session.wait_for_alert(500)
    # libtorrent writes in the background
    handle.flush_cache()
    while not any(isinstance(a, lt.cache_flushed_alert) for a in session.pop_alerts()):
        if time.monotonic() > deadline:
            break  # the caller reads the files and sees what is missing
        session.wait_for_alert(500)


if __name__ == "__main__":
    main(*sys.argv[1:])

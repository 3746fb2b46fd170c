"""Fetches one magnet over WebRTC alone, as a process of its own: the canary's.

    python -m shoal.broadcaster.seeding.canary_process < ORDER

reads an `Order` and writes a `Result`, both JSON. It is a process because the end of a libtorrent
session holds Python's interpreter until the tracker has said goodbye, and so the whole broadcaster.
"""

import hashlib
import os
import resource
import sys
import time
from pathlib import Path

import libtorrent as lt
import msgspec

from shoal.broadcaster.seeding.libtorrent_session import ALERTS, QUIET

CPU_LIMIT_S = 30
NICENESS = 10
LOOK_S = 1.0
"""how often to look whether the broadcaster is still there"""
OFFERS = 2
FILE_NAME = "segment"


class Order(msgspec.Struct, frozen=True):
    """What is to be fetched, and how."""

    magnet: str
    folder: str
    """where it may write"""
    limit_s: float
    stun_server: str
    """host:port, or empty"""
    peer_prefix: str
    """how its peer id begins"""
    parent: int
    """pid of the process that waits for the result; the fetch ends when that has ended"""


class Result(msgspec.Struct, frozen=True):
    """What came."""

    sha256: str | None = None
    """hex; None when it did not come"""
    fault: str = ""
    """why not"""


def new_session(order: Order) -> lt.session:
    """A session for one fetch. Its end waits for the tracker, so let the process end before it."""
    return lt.session(
        {
            **QUIET,
            "alert_mask": ALERTS | lt.alert_category.storage,
            "peer_fingerprint": order.peer_prefix,
            "webtorrent_stun_server": order.stun_server,
            "max_webtorrent_offers": OFFERS,
            "aio_threads": 1,
            "hashing_threads": 1,
        }
    )


def fetch(session: lt.session, order: Order) -> Result:
    """Fetch a magnet; web seeds, TCP and uTP are left out."""
    params = lt.parse_magnet_uri(order.magnet)
    params.save_path = order.folder
    params.url_seeds = []
    params.renamed_files = {0: FILE_NAME}
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    deadline = time.monotonic() + order.limit_s
    progress = "the tracker did not answer"
    while (left_s := deadline - time.monotonic()) > 0:
        session.wait_for_alert(int(min(left_s, LOOK_S) * 1000) + 1)
        if os.getppid() != order.parent:  # nobody waits for the result any more
            os._exit(1)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.tracker_reply_alert):
                progress = "the tracker knows no peer that sent it"
            elif isinstance(alert, lt.metadata_received_alert):
                progress = "peers sent only a part of it"
            elif isinstance(alert, lt.tracker_error_alert | lt.torrent_error_alert):
                progress = alert.message()
            elif isinstance(alert, lt.torrent_finished_alert):
                handle.flush_cache()
            elif isinstance(alert, lt.cache_flushed_alert):
                data = (Path(order.folder) / FILE_NAME).read_bytes()
                return Result(sha256=hashlib.sha256(data).hexdigest())
    return Result(fault=f"not within {order.limit_s:g} s: {progress}")


def main() -> None:
    """Fetch what standard input asks for."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    session = new_session(order)
    result = fetch(session, order)
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.flush()
    os._exit(0)  # without a goodbye to the tracker, which may never come


if __name__ == "__main__":
    main()

"""The canary's process: fetches one magnet over WebRTC alone.

    python -m shoal.broadcaster.seeding.canary_process < REQUEST

reads a `FetchRequest` and writes a `FetchResult`, both JSON. It is a process because the end of a
libtorrent session blocks the Python interpreter, and with it the whole broadcaster, until the
tracker has answered `stopped`.
"""

import hashlib
import os
import resource
import sys
import time
from pathlib import Path

import libtorrent as lt
import msgspec

from shoal.broadcaster.seeding.libtorrent_session import ALERTS, WEBRTC_ONLY

CPU_LIMIT_S = 30
NICENESS = 10
PARENT_POLL_S = 1.0
"""how often to check that the broadcaster is still running"""
OFFERS = 2
FILE_NAME = "segment"


class FetchRequest(msgspec.Struct, frozen=True):
    """What to fetch, and how."""

    magnet: str
    folder: str
    """where to write the file"""
    limit_s: float
    stun_server: str
    """host:port or empty"""
    peer_prefix: str
    """what the peer id begins with"""
    parent: int
    """pid of the process that waits for the result; the fetch ends when that process does"""


class FetchResult(msgspec.Struct, frozen=True):
    """The outcome of a fetch."""

    sha256: str | None = None
    """hex; None if the fetch failed"""
    fault: str = ""
    """why it failed"""


def new_session(request: FetchRequest) -> lt.session:
    """Return a session for one fetch. Its end waits for the tracker: exit the process first."""
    return lt.session(
        {
            **WEBRTC_ONLY,
            "alert_mask": ALERTS | lt.alert_category.storage,
            "peer_fingerprint": request.peer_prefix,
            "webtorrent_stun_server": request.stun_server,
            "max_webtorrent_offers": OFFERS,
            "aio_threads": 1,
            "hashing_threads": 1,
        }
    )


def fetch(session: lt.session, request: FetchRequest) -> FetchResult:
    """Fetch a magnet; web seeds, TCP and uTP are not used."""
    params = lt.parse_magnet_uri(request.magnet)
    params.save_path = request.folder
    params.url_seeds = []
    params.renamed_files = {0: FILE_NAME}
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    deadline = time.monotonic() + request.limit_s
    progress = "the tracker did not respond"
    while (left_s := deadline - time.monotonic()) > 0:
        session.wait_for_alert(int(min(left_s, PARENT_POLL_S) * 1000) + 1)
        if os.getppid() != request.parent:  # the result is no longer awaited
            os._exit(1)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.tracker_reply_alert):
                progress = "the tracker named no peer that sent it"
            elif isinstance(alert, lt.metadata_received_alert):
                progress = "peers sent only some of it"
            elif isinstance(alert, lt.tracker_error_alert | lt.torrent_error_alert):
                progress = alert.message()
            elif isinstance(alert, lt.torrent_finished_alert):
                handle.flush_cache()
            elif isinstance(alert, lt.cache_flushed_alert):
                data = (Path(request.folder) / FILE_NAME).read_bytes()
                return FetchResult(sha256=hashlib.sha256(data).hexdigest())
    return FetchResult(fault=f"timed out after {request.limit_s:g} s: {progress}")


def main() -> None:
    """Serve the request on standard input."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=FetchRequest)
    session = new_session(request)
    result = fetch(session, request)
    sys.stdout.buffer.write(msgspec.json.encode(result))
    sys.stdout.flush()
    os._exit(0)  # do not send `stopped`: the tracker may never answer it


if __name__ == "__main__":
    main()

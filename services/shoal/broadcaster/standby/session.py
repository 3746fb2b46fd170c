"""A libtorrent session for WebRTC, and its alerts on the event loop."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import libtorrent as lt
from yarl import URL

MAX_WEBTORRENT_OFFERS = 5
"""offers with each announce of a torrent, and the most of others' that are answered until the next;
0 switches WebRTC off. 24 webtorrent clients in Chromium that fetch one segment of 1.2 MB at once,
all on two busy cores, two runs each: with 1, 20 and 10 of them had it after 15 s; with 5 all after
5.8 s, with 10 after 5.9 s, with 30 after 5.8 s. Each offer holds a socket until it times out."""
NO_LISTENING = "127.0.0.1:0"
"""with no listen interface at all libtorrent does not announce either"""
NEGOTIATION_TIMEOUT_S = 15
"""for an offer to be answered and connected; libtorrent's own 120 s keeps four times as many
half-made connections, each with a socket"""
ALERT_BYTES = 1024

ALERTS = (
    lt.alert_category.tracker
    | lt.alert_category.error
    | lt.alert_category.status
    | lt.alert_category.upload
)


QUIET: Mapping[str, str | int | bool] = {
    "alert_mask": ALERTS,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_tcp": False,
    "enable_outgoing_utp": False,
    "listen_interfaces": NO_LISTENING,
    "stop_tracker_timeout": 0,
    "webtorrent_stun_server": "",
    "webtorrent_connection_timeout": NEGOTIATION_TIMEOUT_S,
    "max_webtorrent_offers": MAX_WEBTORRENT_OFFERS,
}
"""settings of a session that knows nobody but its tracker, and speaks WebRTC alone"""


class Session:
    """A libtorrent session. Alerts are handled in the loop as they come; no call blocks it."""

    def __init__(
        self, handle: Callable[[lt.alert], None], settings: Mapping[str, str | int | bool]
    ) -> None:
        """Open a session inside a running event loop; `settings` go over the QUIET ones."""
        self._handle = handle
        self._session: lt.session | None = lt.session({**QUIET, **settings})
        self._readable, self._writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self._writable, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._readable, self._drain)
        self._session.set_alert_fd(self._writable)

    def add(self, params: lt.add_torrent_params) -> None:
        """Add a torrent; an `add_torrent_alert` says how it went."""
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        if self._session is not None:
            self._session.async_add_torrent(params)

    def apply(self, settings: Mapping[str, str | int | bool]) -> None:
        """Change settings of the running session."""
        if self._session is not None:
            self._session.apply_settings(settings)

    def remove(self, handle: lt.torrent_handle) -> None:
        """Remove a torrent; its files are left alone."""
        if self._session is not None:
            self._session.remove_torrent(handle)

    async def close(self, tracker_url: str) -> None:
        """End the session and its connections, that to `tracker_url` first.

        The end of a session waits for the tracker to say goodbye, without a limit, and holds the
        interpreter meanwhile. So every socket of this process that goes to the tracker's port is
        cut before; close your own to it first.
        """
        if self._session is None:
            return
        self._loop.remove_reader(self._readable)
        self._session.pause()  # else it connects again
        await asyncio.to_thread(_hang_up, URL(tracker_url).port)
        self._session = None
        os.close(self._readable)
        os.close(self._writable)

    def _drain(self) -> None:
        os.read(self._readable, ALERT_BYTES)
        if self._session is not None:
            for alert in self._session.pop_alerts():
                self._handle(alert)


def _hang_up(port: int | None) -> None:
    """Cut every socket of this process that is connected to a TCP port of whatever host."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as peer:
                if peer.type == socket.SOCK_STREAM and peer.getpeername()[1] == port:
                    peer.shutdown(socket.SHUT_RDWR)
        except (OSError, IndexError, TypeError):
            continue  # no socket, not connected, or no TCP


def infohash_of(handle: lt.torrent_handle) -> str:
    """Return a torrent's v1 infohash in hex; zeros when it was removed."""
    return str(handle.info_hashes().v1)

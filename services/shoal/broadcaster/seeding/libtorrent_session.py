"""A libtorrent session for WebRTC, and its alerts on the event loop."""

import asyncio
import os
from collections.abc import Callable, Mapping

import libtorrent as lt

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
}
"""settings of a session that knows nobody but its tracker, and speaks WebRTC alone"""


class Session:
    """A libtorrent session. Alerts are handled in the loop as they come; no call blocks it."""

    def __init__(
        self, handle: Callable[[lt.alert], None], settings: Mapping[str, str | int | bool]
    ) -> None:
        """Open a session inside a running event loop; `settings` go over the QUIET ones."""
        self._handle = handle
        self._session = lt.session({**QUIET, **settings})
        self._readable, writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(writable, False)
        asyncio.get_running_loop().add_reader(self._readable, self._drain)
        self._session.set_alert_fd(writable)

    def add(self, params: lt.add_torrent_params) -> None:
        """Add a torrent; an `add_torrent_alert` says how it went."""
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        self._session.async_add_torrent(params)

    def apply(self, settings: Mapping[str, str | int | bool]) -> None:
        """Change settings of the running session."""
        self._session.apply_settings(settings)

    def remove(self, handle: lt.torrent_handle) -> None:
        """Remove a torrent; its files are left alone."""
        self._session.remove_torrent(handle)

    def _drain(self) -> None:
        os.read(self._readable, ALERT_BYTES)
        for alert in self._session.pop_alerts():
            self._handle(alert)


def infohash_of(handle: lt.torrent_handle) -> str:
    """Return a torrent's v1 infohash in hex; zeros when it was removed."""
    return str(handle.info_hashes().v1)

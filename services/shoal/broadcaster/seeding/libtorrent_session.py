"""A libtorrent session for WebRTC whose alerts arrive on the event loop."""

import asyncio
import os
from collections.abc import Callable, Mapping

import libtorrent as lt

LOOPBACK_INTERFACE = "127.0.0.1:0"
"""without any listen interface libtorrent does not announce either"""
NEGOTIATION_TIMEOUT_S = 15
"""for an offer to be answered and connected; libtorrent's default of 120 s keeps four times as many
half-open connections, each with a socket"""
ALERT_BYTES = 1024

ALERTS = (
    lt.alert_category.tracker
    | lt.alert_category.error
    | lt.alert_category.status
    | lt.alert_category.upload
)


WEBRTC_ONLY: Mapping[str, str | int | bool] = {
    "alert_mask": ALERTS,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_tcp": False,
    "enable_outgoing_utp": False,
    "listen_interfaces": LOOPBACK_INTERFACE,
    "stop_tracker_timeout": 0,
    "webtorrent_stun_server": "",
    "webtorrent_connection_timeout": NEGOTIATION_TIMEOUT_S,
}
"""settings of a session that talks to its tracker and, over WebRTC alone, to the peers it names"""


class LibtorrentSession:
    """A libtorrent session. Alerts are handled in the event loop; no call blocks it."""

    def __init__(
        self, on_alert: Callable[[lt.alert], None], settings: Mapping[str, str | int | bool]
    ) -> None:
        """Open a session inside a running event loop; `settings` override WEBRTC_ONLY."""
        self._on_alert = on_alert
        self._session = lt.session({**WEBRTC_ONLY, **settings})
        self._readable, writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(writable, False)
        asyncio.get_running_loop().add_reader(self._readable, self._read_alerts)
        self._session.set_alert_fd(writable)

    def add(self, params: lt.add_torrent_params) -> None:
        """Add a torrent; an `add_torrent_alert` reports the result."""
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        self._session.async_add_torrent(params)

    def apply(self, settings: Mapping[str, str | int | bool]) -> None:
        """Change settings of the running session."""
        self._session.apply_settings(settings)

    def remove(self, handle: lt.torrent_handle) -> None:
        """Remove a torrent; its files are left alone."""
        self._session.remove_torrent(handle)

    def _read_alerts(self) -> None:
        os.read(self._readable, ALERT_BYTES)
        for alert in self._session.pop_alerts():
            self._on_alert(alert)


def infohash_of(handle: lt.torrent_handle) -> str:
    """Return a torrent's v1 infohash in hex; all zeros once it has been removed."""
    return str(handle.info_hashes().v1)

"""Polls Owncast's `/api/status`: whether it is online, and whether viewers bypass us."""

import asyncio
import time

import aiohttp
import msgspec

POLL_S = 5.0
TIMEOUT_S = 3.0
BYPASS_AFTER_S = 20.0
"""a client that loads a playlist once counts as a viewer for 15 s"""
SILENT_AFTER_S = 60.0
"""a restart of Owncast is not a problem yet"""


class Status(msgspec.Struct, frozen=True):
    """The fields of the response that we use."""

    online: bool = False
    viewerCount: int = 0  # noqa: N815 - Owncast's name
    """clients that load Owncast's own playlist; absent when it is 0 or hidden"""


class OwncastStatus:
    """Owncast's last known status, and since when something about it has been wrong."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/status"
        self.online: bool | None = None
        """None: Owncast does not answer"""
        self._viewers = 0
        self._viewed_since_s: float | None = None
        self._answered_at_s = time.monotonic()
        self._fault: str | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(self._url, raise_for_status=True) as response:
                        status = msgspec.json.decode(await response.read(), type=Status)
                    self.update(status, time.monotonic())
                except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                    self._fault = str(error) or type(error).__name__
                    self.online = None
                await asyncio.sleep(POLL_S)

    def update(self, status: Status, now_s: float) -> None:
        """Adopt a response; `now_s` is a monotonic clock, in seconds."""
        self._fault, self._answered_at_s, self.online = None, now_s, status.online
        self._viewers = status.viewerCount
        if not self._viewers:
            self._viewed_since_s = None
        elif self._viewed_since_s is None:
            self._viewed_since_s = now_s

    def bypass_problem(self, now_s: float) -> str | None:
        """Return a message if viewers bypass store and peers, None otherwise."""
        if self._viewed_since_s is None or now_s - self._viewed_since_s < BYPASS_AFTER_S:
            return None
        viewers = "1 viewer loads" if self._viewers == 1 else f"{self._viewers} viewers load"
        return (
            f"{viewers} Owncast's own playlist: that video is served by this host, not by the store"
            " and other viewers. Close /hls in the tunnel (run `shoal routes` to see how), and look"
            " for a page that plays /hls/stream.m3u8"
        )

    def silence_problem(self, now_s: float) -> str | None:
        """Return a message if Owncast has not answered for a minute, None otherwise."""
        if self._fault is None or now_s - self._answered_at_s < SILENT_AFTER_S:
            return None
        return f"Owncast does not answer at {self._url}: {self._fault}"

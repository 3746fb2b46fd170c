"""What Owncast says of itself: `/api/status`, asked every few seconds."""

import asyncio
import time

import aiohttp
import msgspec

POLL_S = 5.0
TIMEOUT_S = 3.0
BYPASS_AFTER_S = 20.0
"""one who loads a playlist once counts as a viewer for 15 s"""
SILENT_AFTER_S = 60.0
"""a restart of Owncast is no fault yet"""


class Status(msgspec.Struct, frozen=True):
    """The part of it that matters here."""

    online: bool = False
    viewerCount: int = 0  # noqa: N815 - Owncast's name
    """who loads its own playlist; left out when it is 0, and when it is hidden"""


class Owncast:
    """Owncast as it was last heard of, and since when it says what should not be."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/status"
        self.online: bool | None = None
        """None: it cannot be asked"""
        self._viewers = 0
        self._viewed_since_s: float | None = None
        self._heard_at_s = time.monotonic()
        self._fault: str | None = None

    async def run(self) -> None:
        """Ask again and again until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(self._url, raise_for_status=True) as response:
                        status = msgspec.json.decode(await response.read(), type=Status)
                    self.heard(status, time.monotonic())
                except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                    self._fault = str(error) or type(error).__name__
                    self.online = None
                await asyncio.sleep(POLL_S)

    def heard(self, status: Status, now_s: float) -> None:
        """Take note of an answer."""
        self._fault, self._heard_at_s, self.online = None, now_s, status.online
        self._viewers = status.viewerCount
        if not self._viewers:
            self._viewed_since_s = None
        elif self._viewed_since_s is None:
            self._viewed_since_s = now_s

    def bypass(self, now_s: float) -> str | None:
        """Say who gets the video past the store and past peers, None while nobody does."""
        if self._viewed_since_s is None or now_s - self._viewed_since_s < BYPASS_AFTER_S:
            return None
        who = "1 viewer loads" if self._viewers == 1 else f"{self._viewers} viewers load"
        return (
            f"{who} Owncast's own playlist: that video goes through this host, past the store and"
            " past other viewers. Close /hls in the tunnel (`shoal routes` says how), and look for"
            " a page that plays /hls/stream.m3u8"
        )

    def silence(self, now_s: float) -> str | None:
        """Say that it does not answer, None while it does, or not for long."""
        if self._fault is None or now_s - self._heard_at_s < SILENT_AFTER_S:
            return None
        return f"Owncast does not answer at {self._url}: {self._fault}"

"""Asks the tracker, over a WebSocket of its own, what it knows of our torrents (scrape, BEP 48).

libtorrent has one socket to the tracker for all torrents. When that is lost it does nothing until
each torrent's next announce is due, two minutes later; until then peers do not find the seeder.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

import aiohttp
import msgspec

from shoal.backoff import Backoff

SCRAPE_INTERVAL_S = 1.0
MAX_SCRAPED_AT_ONCE = 100
RESPONSE_TIMEOUT_S = 5.0
HEARTBEAT_S = 10.0
RECONNECT_S = 1.0


class Swarm(msgspec.Struct, frozen=True):
    """The tracker's counts for one torrent: seeds and leechers."""

    complete: int
    incomplete: int


class _ScrapeResponse(msgspec.Struct, frozen=True):
    files: dict[str, Swarm]


class TrackerScraper:
    """A WebSocket to the tracker that only scrapes."""

    def __init__(
        self,
        tracker_url: str,
        infohashes: Callable[[], Collection[str]],
        on_scraped: Callable[[Mapping[str, Swarm]], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Scrape `infohashes()` (hex) once a second and pass the results to `on_scraped`.

        `on_lost` is called when the connection is lost: the tracker may have forgotten everything.
        """
        self._url = tracker_url
        self._query = tracker_url.partition("?")[2]
        self._infohashes = infohashes
        self._on_scraped = on_scraped
        self._on_lost = on_lost
        self.fault: str | None = None
        """why the tracker cannot be scraped, None while it can"""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff(RECONNECT_S, RECONNECT_S)
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.ws_connect(self._url, heartbeat=HEARTBEAT_S) as socket:
                        await self._scrape(socket)
                except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
                    message = f"cannot scrape the tracker at {self._url}: {error or 'no response'}"
                    # the query is the seeder's token, and an error may repeat the URL
                    self.fault = message.replace(f"?{self._query}", "")
                self._on_lost()
                await backoff.wait()

    async def _scrape(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            info_hashes = [bytes.fromhex(h).decode("latin-1") for h in self._infohashes()]
            for start in range(0, len(info_hashes), MAX_SCRAPED_AT_ONCE):
                batch = info_hashes[start : start + MAX_SCRAPED_AT_ONCE]
                await socket.send_json({"action": "scrape", "info_hash": batch})
                async with asyncio.timeout(RESPONSE_TIMEOUT_S):
                    response = await socket.receive()
                if response.type is not aiohttp.WSMsgType.TEXT:
                    raise aiohttp.ClientError("it closed the connection")
                files = msgspec.json.decode(response.data, type=_ScrapeResponse).files
                self._on_scraped({h.encode("latin-1").hex(): s for h, s in files.items()})
            self.fault = None
            await asyncio.sleep(SCRAPE_INTERVAL_S)

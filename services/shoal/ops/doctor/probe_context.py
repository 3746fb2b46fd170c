"""One visit to a station: what several checks look at is fetched once."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from shoal.api_types import PublicStation
from shoal.ops.doctor import playlists
from shoal.ops.doctor.check import NoAnswerError, NotKnownError, UnreachableError
from shoal.ops.doctor.host_discovery import Place
from shoal.ops.doctor.playlists import Playlist
from shoal.segments import Descriptor, SegmentList
from shoal.site.configuration import PlayerConfig

ANSWER_TIMEOUT_S = 8.0
MOST_BYTES = 64 * 1024 * 1024
PLAYLIST_PATH = "/live/playlist.m3u8"

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def who(self) -> str | None:
        """Which service of ours says that it answered."""
        return self.headers.get("X-Shoal")

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode(errors="replace")

    @property
    def cached(self) -> bool:
        """Whether Cloudflare's edge had it."""
        return self.headers.get("CF-Cache-Status", "").upper() == "HIT"

    def __str__(self) -> str:
        said = f"X-Shoal: {self.who}" if self.who else "no X-Shoal"
        return f"{self.url} answered {self.status}, {said}"


class Visit:
    """A station, and what has been seen of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, place: Place | None) -> None:
        """`url` is the station's origin, as in https://tv.example.org."""
        self.url = url
        self.session = session
        self._place = place
        self._seen: dict[str, asyncio.Task[Any]] = {}

    @property
    def hostname(self) -> str:
        """The station's name or address."""
        return URL(self.url).host or ""

    @property
    def is_local(self) -> bool:
        """Whether the station is on this machine's loopback interface."""
        return is_loopback(self.hostname)

    @property
    def place(self) -> Place:
        """What is known of the host; raises NotKnownError elsewhere."""
        if self._place is None:
            raise NotKnownError("only on the station's host")
        return self._place

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Answer:
        """Ask for a URL or a path of the station; raise NoAnswerError when nothing comes.

        UnreachableError it is when the station cannot be connected to. Redirects are not followed.
        """
        url = f"{self.url}{url}" if url.startswith("/") else url
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        try:
            async with self.session.request(
                method, url, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise NoAnswerError(f"{url} sends more than {MOST_BYTES} bytes")
                return Answer(url, response.status, response.headers, bytes(body))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.no_answer(url, error) from error

    def no_answer(self, url: str, error: Exception) -> NoAnswerError:
        """Return what is to be said of a URL that does not answer."""
        said = f"{url} does not answer: {error or type(error).__name__}"
        if url.startswith(self.url) and isinstance(error, aiohttp.ClientConnectorError):
            return UnreachableError(said)
        return NoAnswerError(said)

    async def page(self) -> Answer:
        """The watch page."""
        return await self._once("page", lambda: self.get("/"))

    async def config_answer(self) -> Answer:
        """What `/config.json` answers."""
        return await self._once("config", lambda: self.get("/config.json"))

    async def playlist_answer(self) -> Answer:
        """What `/live/playlist.m3u8` answers."""
        return await self._once("playlist", lambda: self.get(PLAYLIST_PATH))

    async def segment_answer(self) -> Answer:
        """The newest segment, from the store."""

        async def fetch() -> Answer:
            return await self.get((await self.newest()).url, {"Origin": self.url})

        return await self._once("segment", fetch)

    async def config(self) -> PlayerConfig:
        """The player's configuration; raises NotKnownError when there is none."""
        answer = await _else_unknown(self.config_answer(), "route site")
        try:
            return msgspec.json.decode(answer.body, type=PlayerConfig)
        except msgspec.DecodeError:
            raise NotKnownError("/config.json cannot be read: see `config`") from None

    async def playlist(self) -> Playlist:
        """The media playlist, of the first rendition where there are several.

        Raises NotKnownError while there is none.
        """
        answer = await _else_unknown(self.playlist_answer(), "playlist")
        return await self.media_playlist(answer)

    async def media_playlist(self, answer: Answer) -> Playlist:
        """Return the playlist in an answer, or that of its first rendition."""
        if answer.status != 200:
            raise NotKnownError("there is no playlist: see `playlist`")
        url = playlists.first_rendition(answer.text, answer.url)
        if url is not None:
            answer = await self.get(url)
        try:
            return playlists.parse(answer.text, answer.url)
        except ValueError:
            raise NotKnownError("the playlist cannot be read: see `playlist`") from None

    async def descriptors(self) -> tuple[Descriptor, ...]:
        """The published segments of the first rendition, oldest first, at least one.

        Raises NotKnownError while there are none.
        """
        answer = await _else_unknown(self.segments_answer(), "route broadcaster")
        try:
            variants = msgspec.json.decode(answer.body, type=SegmentList).variants
        except msgspec.DecodeError:
            raise NotKnownError("/live/segments.json cannot be read: see `descriptors`") from None
        for variant in sorted(variants, key=int):
            if segments := variants[variant].segments:
                return segments
        raise NotKnownError("nothing has been broadcast yet")

    async def segments_answer(self) -> Answer:
        """What `/live/segments.json` answers."""
        return await self._once("segments", lambda: self.get("/live/segments.json"))

    async def newest(self) -> Descriptor:
        """The newest segment that the store has."""
        stored = [descriptor for descriptor in await self.descriptors() if descriptor.stored]
        if not stored:
            raise NotKnownError("no segment is in the store: see `playlist`")
        return stored[-1]

    async def station(self) -> PublicStation:
        """What the site says of the station; raises NotKnownError when it says nothing."""
        answer = await _else_unknown(
            self._once("station", lambda: self.get("/api/station")), "route site"
        )
        try:
            return msgspec.json.decode(answer.body, type=PublicStation)
        except msgspec.DecodeError:
            raise NotKnownError("/api/station cannot be read: see `route site`") from None

    def close(self) -> None:
        """End what is still being fetched."""
        for task in self._seen.values():
            task.cancel()

    async def _once(self, name: str, fetch: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await fetch()

        if name not in self._seen:
            self._seen[name] = asyncio.create_task(run())
        # a check whose time is over must not end what others wait for
        return await asyncio.shield(self._seen[name])


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _else_unknown(asking: Awaitable[Answer], check: str) -> Answer:
    try:
        return await asking
    except UnreachableError:
        raise
    except NoAnswerError as error:
        raise NotKnownError(f"no answer: see `{check}` ({error})") from None

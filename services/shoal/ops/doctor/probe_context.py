"""What the checks of one run share: whatever several of them need is fetched once."""

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
from shoal.ops.doctor.host_discovery import StationHost
from shoal.ops.doctor.playlists import Playlist
from shoal.segments import Descriptor, SegmentList
from shoal.site.configuration import PlayerConfig

RESPONSE_TIMEOUT_S = 8.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
PLAYLIST_PATH = "/live/playlist.m3u8"

T = TypeVar("T")


class CannotCheckError(Exception):
    """A check lacks what it needs; the message says why, and which other check covers that."""


class NoAnswerError(Exception):
    """A URL does not answer; the message names it and says what happened instead."""


class UnreachableError(NoAnswerError):
    """The station accepts no connections: one check reports it, all others are skipped."""


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def service(self) -> str | None:
        """Which Shoal service answered, by its `X-Shoal` header; None without one."""
        return self.headers.get("X-Shoal")

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode(errors="replace")

    @property
    def cached(self) -> bool:
        """Whether it came from the cache of Cloudflare's edge."""
        return self.headers.get("CF-Cache-Status", "").upper() == "HIT"

    def __str__(self) -> str:
        service = f"X-Shoal: {self.service}" if self.service else "no X-Shoal"
        return f"{self.url} answered {self.status}, {service}"


class ProbeContext:
    """A station and what has been fetched from it so far."""

    def __init__(self, url: str, session: aiohttp.ClientSession, host: StationHost | None) -> None:
        """`url` is the station's origin, as in https://tv.example.org."""
        self.url = url
        self.session = session
        self._host = host
        self._fetches: dict[str, asyncio.Task[Any]] = {}

    @property
    def hostname(self) -> str:
        """The station's name or address."""
        return URL(self.url).host or ""

    @property
    def is_local(self) -> bool:
        """Whether the station is on this machine's loopback interface."""
        return is_loopback(self.hostname)

    @property
    def host(self) -> StationHost:
        """The station's parts on this host; raises CannotCheckError on any other machine."""
        if self._host is None:
            raise CannotCheckError("runs on the station's host only")
        return self._host

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Response:
        """Request a URL, or a path of the station. Redirects are not followed.

        Raises NoAnswerError without a response, UnreachableError when the station accepts no
        connection.
        """
        url = f"{self.url}{url}" if url.startswith("/") else url
        timeout = aiohttp.ClientTimeout(total=RESPONSE_TIMEOUT_S)
        try:
            async with self.session.request(
                method, url, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = bytearray()
                async for data in response.content.iter_any():
                    body += data
                    if len(body) > MAX_RESPONSE_BYTES:
                        raise NoAnswerError(f"{url} sends more than {MAX_RESPONSE_BYTES} bytes")
                return Response(url, response.status, response.headers, bytes(body))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.no_answer(url, error) from error

    def no_answer(self, url: str, error: Exception) -> NoAnswerError:
        """Return the error to raise for a URL that does not answer."""
        message = f"{url} does not answer: {error or type(error).__name__}"
        if url.startswith(self.url) and isinstance(error, aiohttp.ClientConnectorError):
            return UnreachableError(message)
        return NoAnswerError(message)

    async def page(self) -> Response:
        """The watch page."""
        return await self._fetch_once("page", lambda: self.get("/"))

    async def config_response(self) -> Response:
        """The response of `/config.json`."""
        return await self._fetch_once("config", lambda: self.get("/config.json"))

    async def playlist_response(self) -> Response:
        """The response of `/live/playlist.m3u8`."""
        return await self._fetch_once("playlist", lambda: self.get(PLAYLIST_PATH))

    async def segment_response(self) -> Response:
        """The newest segment, from the store."""

        async def fetch() -> Response:
            return await self.get((await self.newest()).url, {"Origin": self.url})

        return await self._fetch_once("segment", fetch)

    async def config(self) -> PlayerConfig:
        """The player's configuration; raises CannotCheckError without one."""
        response = await _or_cannot_check(self.config_response(), "route site")
        try:
            return msgspec.json.decode(response.body, type=PlayerConfig)
        except msgspec.DecodeError:
            raise CannotCheckError("/config.json cannot be parsed: see `config`") from None

    async def playlist(self) -> Playlist:
        """The media playlist, of the first variant if there are several.

        Raises CannotCheckError without one.
        """
        response = await _or_cannot_check(self.playlist_response(), "playlist")
        return await self.media_playlist(response)

    async def media_playlist(self, response: Response) -> Playlist:
        """Return the media playlist in a response, or that of its first variant."""
        if response.status != 200:
            raise CannotCheckError("there is no playlist: see `playlist`")
        url = playlists.first_variant(response.text, response.url)
        if url is not None:
            response = await self.get(url)
        try:
            return playlists.parse(response.text, response.url)
        except ValueError:
            raise CannotCheckError("the playlist cannot be parsed: see `playlist`") from None

    async def descriptors(self) -> tuple[Descriptor, ...]:
        """The published segments of the first variant, oldest first, at least one.

        Raises CannotCheckError without any.
        """
        response = await _or_cannot_check(self.segments_response(), "route broadcaster")
        try:
            variants = msgspec.json.decode(response.body, type=SegmentList).variants
        except msgspec.DecodeError:
            raise CannotCheckError(
                "/live/segments.json cannot be parsed: see `descriptors`"
            ) from None
        for variant in sorted(variants, key=int):
            if segments := variants[variant].segments:
                return segments
        raise CannotCheckError("nothing has been broadcast yet")

    async def segments_response(self) -> Response:
        """The response of `/live/segments.json`."""
        return await self._fetch_once("segments", lambda: self.get("/live/segments.json"))

    async def newest(self) -> Descriptor:
        """The newest segment that is in the store; raises CannotCheckError without one."""
        stored = [descriptor for descriptor in await self.descriptors() if descriptor.stored]
        if not stored:
            raise CannotCheckError("no segment is in the store: see `playlist`")
        return stored[-1]

    async def station(self) -> PublicStation:
        """What the site publishes about the station; raises CannotCheckError without it."""
        response = await _or_cannot_check(
            self._fetch_once("station", lambda: self.get("/api/station")), "route site"
        )
        try:
            return msgspec.json.decode(response.body, type=PublicStation)
        except msgspec.DecodeError:
            raise CannotCheckError("/api/station cannot be parsed: see `route site`") from None

    def close(self) -> None:
        """Cancel whatever is still being fetched."""
        for task in self._fetches.values():
            task.cancel()

    async def _fetch_once(self, name: str, fetch: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await fetch()

        if name not in self._fetches:
            self._fetches[name] = asyncio.create_task(run())
        # a check that times out must not cancel what others wait for
        return await asyncio.shield(self._fetches[name])


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _or_cannot_check(fetch: Awaitable[Response], check: str) -> Response:
    """Return what is fetched; without an answer, refer to the check that reports it."""
    try:
        return await fetch
    except UnreachableError:
        raise
    except NoAnswerError as error:
        raise CannotCheckError(f"no answer: see `{check}` ({error})") from None

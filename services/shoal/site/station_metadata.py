"""What the station says of itself: the operator's settings, else what Owncast knows."""

import asyncio
import logging
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from shoal.config.settings import SiteSettings
from shoal.site.html_meta import About

log = logging.getLogger("shoal.site")

CACHE_S = 10.0
TIMEOUT_S = 2.0
MAX_POSTER_BYTES = 5_000_000
POSTER_PATH = "/poster"
DEFAULT_DESCRIPTION = "Live television, shared by its viewers"

T = TypeVar("T", bound=msgspec.Struct)


class _Status(msgspec.Struct):
    """The part of Owncast's `/api/status` that is shown."""

    online: bool = False
    streamTitle: str = ""  # noqa: N815 - Owncast's name


class Poster(msgspec.Struct, frozen=True):
    """A picture."""

    body: bytes
    content_type: str


class Profile:
    """Asks Owncast at most once in ten seconds, however many ask us."""

    def __init__(self, settings: SiteSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._asking = asyncio.Lock()
        self._about: About | None = None
        self._poster: Poster | None = None
        self._asked_at = float("-inf")

    async def about(self) -> About:
        """Return what the pages say."""
        about, _ = await self._look()
        return about

    async def poster(self) -> Poster | None:
        """Return the picture that is shown before there is one; None when there is none."""
        _, poster = await self._look()
        return poster

    async def _look(self) -> tuple[About, Poster | None]:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._about is None or loop.time() - self._asked_at > CACHE_S:
                status, self._poster = await asyncio.gather(self._status(), self._picture())
                self._asked_at = loop.time()
                self._about = About(
                    title=self._settings.station_title,
                    stream_title=status.streamTitle.strip() if status.online else "",
                    description=self._settings.station_description or DEFAULT_DESCRIPTION,
                    poster=None if self._poster is None else POSTER_PATH,
                )
            return self._about, self._poster

    async def _status(self) -> _Status:
        answer = await self._get("/api/status")
        try:
            return msgspec.json.decode(answer.body, type=_Status) if answer else _Status()
        except msgspec.DecodeError as error:
            log.warning("Owncast's /api/status is not understood: %s", error)
            return _Status()

    async def _picture(self) -> Poster | None:
        """Return the operator's picture, or the one that Owncast takes of the stream."""
        path = self._settings.station_poster
        if path is not None:
            return await asyncio.to_thread(_read, path)
        answer = await self._get("/thumbnail.jpg")
        return answer if answer and answer.content_type.startswith("image/") else None

    async def _get(self, path: str) -> Poster | None:
        url = f"{self._settings.owncast_url}{path}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(url, timeout=timeout) as response:
                if response.status != 200 or (response.content_length or 0) > MAX_POSTER_BYTES:
                    return None
                return Poster(await response.read(), response.content_type)
        except (aiohttp.ClientError, TimeoutError):
            return None  # an Owncast that is down is not the pages' affair


def _read(path: Path) -> Poster | None:
    kinds = {
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".png": "image/png",
        ".webp": "image/webp",
    }
    try:
        return Poster(path.read_bytes(), kinds.get(path.suffix.lower(), "image/jpeg"))
    except OSError as error:
        log.warning("the poster %s cannot be read: %s", path, error.strerror)
        return None

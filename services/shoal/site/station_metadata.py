"""Reads the station's title, description and poster: from the settings, or else from Owncast."""

import asyncio
import logging
from pathlib import Path

import aiohttp
import msgspec

from shoal.config.settings import SiteSettings
from shoal.site.html_meta import StationMetadata

log = logging.getLogger("shoal.site")

CACHE_S = 10.0
TIMEOUT_S = 2.0
MAX_POSTER_BYTES = 5_000_000
POSTER_PATH = "/poster"
DEFAULT_DESCRIPTION = "Live television, shared by its viewers"


class _Status(msgspec.Struct):
    """The fields of Owncast's `/api/status` that pages show."""

    online: bool = False
    streamTitle: str = ""  # noqa: N815 - Owncast's name


class FileContent(msgspec.Struct, frozen=True):
    """A response body or file, with its media type."""

    body: bytes
    content_type: str


class MetadataReader:
    """Reads the metadata; asks Owncast at most once in ten seconds."""

    def __init__(self, settings: SiteSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._refreshing = asyncio.Lock()
        self._metadata: StationMetadata | None = None
        self._poster: FileContent | None = None
        self._refreshed_at = float("-inf")

    async def metadata(self) -> StationMetadata:
        """Return the metadata that pages show."""
        metadata, _ = await self._refreshed()
        return metadata

    async def poster(self) -> FileContent | None:
        """Return the image that players show before video, or None if there is none."""
        _, poster = await self._refreshed()
        return poster

    async def _refreshed(self) -> tuple[StationMetadata, FileContent | None]:
        loop = asyncio.get_running_loop()
        async with self._refreshing:
            if self._metadata is None or loop.time() - self._refreshed_at > CACHE_S:
                status, self._poster = await asyncio.gather(self._get_status(), self._get_poster())
                self._refreshed_at = loop.time()
                self._metadata = StationMetadata(
                    title=self._settings.station_title,
                    stream_title=status.streamTitle.strip() if status.online else "",
                    description=self._settings.station_description or DEFAULT_DESCRIPTION,
                    poster=None if self._poster is None else POSTER_PATH,
                )
            return self._metadata, self._poster

    async def _get_status(self) -> _Status:
        response = await self._get("/api/status")
        try:
            return msgspec.json.decode(response.body, type=_Status) if response else _Status()
        except msgspec.DecodeError as error:
            log.warning("cannot parse Owncast's /api/status: %s", error)
            return _Status()

    async def _get_poster(self) -> FileContent | None:
        """Return the operator's image, or else Owncast's thumbnail of the stream."""
        path = self._settings.station_poster
        if path is not None:
            return await asyncio.to_thread(_read_image, path)
        response = await self._get("/thumbnail.jpg")
        return response if response and response.content_type.startswith("image/") else None

    async def _get(self, path: str) -> FileContent | None:
        url = f"{self._settings.owncast_url}{path}"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(url, timeout=timeout) as response:
                if response.status != 200 or (response.content_length or 0) > MAX_POSTER_BYTES:
                    return None
                return FileContent(await response.read(), response.content_type)
        except (aiohttp.ClientError, TimeoutError):
            return None  # pages work without Owncast


def _read_image(path: Path) -> FileContent | None:
    content_types = {
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".png": "image/png",
        ".webp": "image/webp",
    }
    try:
        return FileContent(path.read_bytes(), content_types.get(path.suffix.lower(), "image/jpeg"))
    except OSError as error:
        log.warning("cannot read the poster %s: %s", path, error.strerror)
        return None

"""Serves the built player: its pages, and assets with a content hash in their names."""

import hashlib
from functools import lru_cache
from pathlib import Path

import brotli
import msgspec
from aiohttp import web

from shoal.config.settings import SiteSettings
from shoal.errors import OperatorError
from shoal.site.headers import page_headers
from shoal.site.html_meta import with_meta_tags
from shoal.site.station_metadata import POSTER_PATH, MetadataReader
from shoal.web import shared_cors_headers

STATIC = Path(__file__).with_name("static")
"""output folder of the player's build, part of the package"""

PAGES = {
    "/": "index.html",
    "/embed": "embed.html",
    "/replay": "replay.html",
    "/p2pml": "p2pml.html",
    "/dashboard": "dashboard.html",
}
"""path → file in the build"""
EMBEDDABLE = frozenset({"/embed"})
"""pages that sites in `embed_origins` may frame"""
MODULE = "/shoal-player.js"
"""the web component for other sites"""
STYLES = "styles.json"
"""hashes of the styles that the build's scripts insert into pages"""

ASSET_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""one path component that cannot leave its folder"""
PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"
POSTER_CACHE = "public, max-age=60"
COMPRESSED = (".br", ".gz")
"""compressed copies next to their originals; never served under their own names"""


def add_pages(
    app: web.Application,
    static: Path,
    settings: SiteSettings,
    metadata_key: web.AppKey[MetadataReader],
) -> None:
    """Serve the build in `static`. Raises OperatorError if it is missing."""
    assets = static / "assets"
    for name in PAGES.values():
        if not (static / name).is_file():
            raise OperatorError(
                f"site: the player is not built ({static / name} is missing): run `make up`,"
                " which builds it"
            )
    html = {path: (static / name).read_text() for path, name in PAGES.items()}
    styles = _read_styles(static / STYLES)

    async def page(request: web.Request) -> web.StreamResponse:
        path = request.path
        # the edge talks HTTPS to browsers but HTTP to us; the header has the browser's scheme
        scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
        metadata = await request.app[metadata_key].metadata()
        text = with_meta_tags(html[path], metadata, f"{scheme}://{request.host}", path)
        framing = "embedders" if path in EMBEDDABLE else "nobody"
        headers = page_headers(
            request.host, settings.media_url, styles, framing, settings.embed_origins
        )
        return _page_response(request, text, headers)

    async def asset(request: web.Request) -> web.StreamResponse:
        return _file_response(assets / request.match_info["name"], ASSET_CACHE, shared_headers)

    async def module(_request: web.Request) -> web.StreamResponse:
        return _file_response(static / MODULE.removeprefix("/"), PAGE_CACHE, shared_headers)

    async def poster(request: web.Request) -> web.StreamResponse:
        image = await request.app[metadata_key].poster()
        if image is None:
            raise web.HTTPNotFound
        headers = {
            "Cache-Control": POSTER_CACHE,
            "X-Content-Type-Options": "nosniff",
            **shared_headers,
        }
        return web.Response(body=image.body, content_type=image.content_type, headers=headers)

    shared_headers = shared_cors_headers(settings.embed_origins)
    for path in PAGES:
        app.router.add_get(path, page)
    app.router.add_get(f"/assets/{{name:{ASSET_NAME}}}", asset)
    app.router.add_get(MODULE, module)
    app.router.add_get(POSTER_PATH, poster)


def _page_response(request: web.Request, text: str, headers: dict[str, str]) -> web.Response:
    body = text.encode()
    # a cached page must be replaced when its policy changes, too
    hashed = body + headers["Content-Security-Policy"].encode()
    etag = hashlib.sha256(hashed).hexdigest()[:20]
    headers = {
        **headers,
        "Cache-Control": PAGE_CACHE,
        "ETag": f'W/"{etag}"',
        "Vary": "Accept-Encoding",
    }
    if any(cached.value == etag for cached in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if "br" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "br"
        body = _compressed(body)
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


@lru_cache(maxsize=32)
def _compressed(body: bytes) -> bytes:
    return brotli.compress(body, quality=9)


def _file_response(path: Path, cache: str, headers: dict[str, str]) -> web.FileResponse:
    if path.suffix in COMPRESSED or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(
        path,
        headers={
            **headers,
            "Cache-Control": cache,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _read_styles(path: Path) -> list[str]:
    return msgspec.json.decode(path.read_bytes(), type=list[str]) if path.is_file() else []

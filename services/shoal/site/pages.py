"""The player's build: its pages, and assets whose names carry a hash of their content."""

import hashlib
from functools import lru_cache
from pathlib import Path

import brotli
import msgspec
from aiohttp import web

from shoal.config.settings import SiteSettings
from shoal.errors import OperatorError
from shoal.site.headers import page_headers
from shoal.site.html_meta import with_head
from shoal.site.station_metadata import POSTER_PATH, Profile
from shoal.web import shared_cors_headers

STATIC = Path(__file__).with_name("static")
"""where the player's build goes; part of the package"""

PAGES = {
    "/": "index.html",
    "/embed": "embed.html",
    "/replay": "replay.html",
    "/p2pml": "p2pml.html",
    "/dashboard": "dashboard.html",
}
"""path → file of the build"""
EMBEDDABLE = frozenset({"/embed"})
"""pages that `embed_origins` may show in a frame"""
MODULE = "/shoal-player.js"
"""the web component, for other sites"""
STYLES = "styles.json"
"""hashes of the styles that the build's scripts write into pages"""

ASSET_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""one path segment that cannot lead out of its folder"""
PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"
POSTER_CACHE = "public, max-age=60"
COMPRESSED = (".br", ".gz")
"""beside the file that they are compressed from; never asked for by name"""


def add_pages(
    app: web.Application, static: Path, settings: SiteSettings, profile: web.AppKey[Profile]
) -> None:
    """Serve the build in `static`; raise OperatorError when there is none."""
    assets = static / "assets"
    for name in PAGES.values():
        if not (static / name).is_file():
            missing = f"{static / name} is missing"
            raise OperatorError(f"site: the player is not built ({missing}): `make up` does")
    html = {path: (static / name).read_text() for path, name in PAGES.items()}
    styles = _styles(static / STYLES)

    async def page(request: web.Request) -> web.StreamResponse:
        path = request.path
        # the edge speaks https with browsers and http with us; both say how they were asked
        scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
        about = await request.app[profile].about()
        text = with_head(html[path], about, f"{scheme}://{request.host}", path)
        framing = "embedders" if path in EMBEDDABLE else "nobody"
        headers = page_headers(
            request.host, settings.media_url, styles, framing, settings.embed_origins
        )
        return _answer(request, text, headers)

    async def asset(request: web.Request) -> web.StreamResponse:
        return _file(assets / request.match_info["name"], ASSET_CACHE, for_others)

    async def module(_request: web.Request) -> web.StreamResponse:
        return _file(static / MODULE.removeprefix("/"), PAGE_CACHE, for_others)

    async def poster(request: web.Request) -> web.StreamResponse:
        picture = await request.app[profile].poster()
        if picture is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": POSTER_CACHE, "X-Content-Type-Options": "nosniff", **for_others}
        return web.Response(body=picture.body, content_type=picture.content_type, headers=headers)

    for_others = shared_cors_headers(settings.embed_origins)
    for path in PAGES:
        app.router.add_get(path, page)
    app.router.add_get(f"/assets/{{name:{ASSET_NAME}}}", asset)
    app.router.add_get(MODULE, module)
    app.router.add_get(POSTER_PATH, poster)


def _answer(request: web.Request, text: str, headers: dict[str, str]) -> web.Response:
    body = text.encode()
    # the policy belongs to what a cache keeps
    seed = body + headers["Content-Security-Policy"].encode()
    etag = hashlib.sha256(seed).hexdigest()[:20]
    headers = {
        **headers,
        "Cache-Control": PAGE_CACHE,
        "ETag": f'W/"{etag}"',
        "Vary": "Accept-Encoding",
    }
    if any(known.value == etag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if "br" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "br"
        body = _compressed(body)
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


@lru_cache(maxsize=32)
def _compressed(body: bytes) -> bytes:
    return brotli.compress(body, quality=9)


def _file(path: Path, cache: str, headers: dict[str, str]) -> web.FileResponse:
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


def _styles(path: Path) -> list[str]:
    return msgspec.json.decode(path.read_bytes(), type=list[str]) if path.is_file() else []

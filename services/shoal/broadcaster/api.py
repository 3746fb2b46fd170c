"""The broadcaster's HTTP API: playlists, descriptors, redirects to the store, health."""

from collections.abc import Collection, Iterable
from http import HTTPStatus

import msgspec
from aiohttp import ETag, web

from shoal.broadcaster.health import HealthMonitor
from shoal.broadcaster.recordings.service import NoReplays, ReplayService
from shoal.broadcaster.response_cache import CachedResponse, ResponseCache
from shoal.web import application, error_response, metrics, shared_cors_headers

SERVICE = "broadcaster"
PLAYLIST_CACHE = "public, max-age=1"
MAX_SEQUENCE_DIGITS = 19
"""RFC 8216, section 4.2: a decimal-integer is below 2^64"""
REDIRECT_CACHE = "public, max-age=60"
GAP_TYPE = "video/mp2t"


def create_app(
    cache: ResponseCache,
    monitor: HealthMonitor,
    replays: ReplayService | NoReplays,
    embed_origins: Collection[str],
) -> web.Application:
    """Return the broadcaster's application; pages at `embed_origins` may read what is public."""
    cors_headers = shared_cors_headers(embed_origins)

    async def playlist(request: web.Request) -> web.Response:
        return _respond(request, cache.playlist())

    async def variant_playlist(request: web.Request) -> web.Response:
        return _respond(request, cache.variant_playlist(int(request.match_info["variant"])))

    async def all_segments(request: web.Request) -> web.Response:
        return _respond(request, cache.segments())

    async def variant_segments(request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= MAX_SEQUENCE_DIGITS):
            return error_response(
                HTTPStatus.BAD_REQUEST, "bad_after", "`after` must be a media sequence number"
            )
        if int(request.match_info["variant"]) not in cache.variants:
            return error_response(HTTPStatus.NOT_FOUND, "unknown_rendition", request.path)
        since = int(after) if "after" in request.query else -1
        return _respond(request, cache.segments(int(request.match_info["variant"]), since))

    async def all_replays(request: web.Request) -> web.Response:
        cached = replays.response()
        if cached is None:
            return error_response(HTTPStatus.NOT_FOUND, "no_replays", "SHOAL_REPLAY is not set")
        return _respond(request, cached)

    async def segment(request: web.Request) -> web.Response:
        given = request.match_info.get("variant")
        variant = None if given is None else int(given)
        name = request.match_info["name"]
        if cache.is_gap(variant, name):
            # GStreamer 1.22 and VLC 3 load it anyway: a 404 stops them, an empty body does not
            return web.Response(content_type=GAP_TYPE, headers={"Cache-Control": REDIRECT_CACHE})
        url = cache.segment_url(variant, name)
        if url is None:
            return error_response(
                HTTPStatus.NOT_FOUND, "unknown_segment", f"{request.path} is not in the playlist"
            )
        return web.Response(
            status=HTTPStatus.FOUND, headers={"Location": url, "Cache-Control": REDIRECT_CACHE}
        )

    async def health_response(_request: web.Request) -> web.Response:
        current = monitor.health()
        status = HTTPStatus.SERVICE_UNAVAILABLE if current.status == "failing" else HTTPStatus.OK
        return web.Response(
            status=status,
            body=msgspec.json.encode(current),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith("/live/"):  # including redirects and the 404 while offline
            response.headers.update(cors_headers)

    app = application(SERVICE)
    app.on_response_prepare.append(add_cors_headers)
    app.add_routes(
        [
            web.get("/live/playlist.m3u8", playlist),
            web.get(r"/live/{variant:\d{1,4}}/playlist.m3u8", variant_playlist),
            web.get("/live/segments.json", all_segments),
            web.get("/live/replays.json", all_replays),
            web.get(r"/live/{variant:\d{1,4}}/segments.json", variant_segments),
            web.get(r"/live/{name:[^/]+\.(?:ts|m4s)}", segment),
            web.get(r"/live/{variant:\d{1,4}}/{name:[^/]+\.(?:ts|m4s)}", segment),
            web.get("/health", health_response),
            web.get("/metrics", metrics),
        ]
    )
    return app


def _respond(request: web.Request, cached: CachedResponse | None) -> web.Response:
    """Return a cached response, compressed if the client accepts that, or 304 if it has it."""
    if cached is None:
        return error_response(HTTPStatus.NOT_FOUND, "offline", "nothing has been broadcast yet")
    headers = {
        "Cache-Control": PLAYLIST_CACHE,
        "Vary": "Accept-Encoding",
        "Accept-Ranges": "none",
    }
    known = request.if_none_match or ()
    if any(etag.value in ("*", cached.etag) for etag in known):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    elif coding := _choose_coding(request.headers.get("Accept-Encoding", ""), cached.encoded):
        headers["Content-Encoding"] = coding
        encoded = cached.encoded[coding]
        response = web.Response(body=encoded, content_type=cached.content_type, headers=headers)
    else:
        response = web.Response(
            body=cached.plain, content_type=cached.content_type, headers=headers
        )
    response.etag = ETag(cached.etag, is_weak=True)
    return response


def _choose_coding(accepted: str, available: Iterable[str]) -> str | None:
    """Return the first available coding that a client accepts (RFC 9110, section 12.5.3)."""
    weights: dict[str, str] = {}
    for item in accepted.lower().split(","):
        name, _, weight = item.replace(" ", "").partition(";q=")
        weights[name] = weight
    usable = {name for name, weight in weights.items() if not weight or weight.strip("0.")}
    return next((coding for coding in available if coding in usable), None)

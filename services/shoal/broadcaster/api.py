"""The broadcaster's HTTP side: playlists, descriptors, redirects to the store, health."""

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus

import msgspec
from aiohttp import ETag, web

from shoal.broadcaster.health import Health
from shoal.broadcaster.response_cache import Body, Views
from shoal.web import application, error_response, metrics, shared_cors_headers

SERVICE = "broadcaster"
PLAYLIST_CACHE = "public, max-age=1"
MAX_SEQUENCE_DIGITS = 19
"""RFC 8216, section 4.2: a decimal-integer is below 2^64"""
REDIRECT_CACHE = "public, max-age=60"
GAP_TYPE = "video/mp2t"


def create_app(
    views: Views,
    health: Callable[[], Health],
    embed_origins: Collection[str],
    replays: Callable[[], Body | None],
) -> web.Application:
    """Return the broadcaster's application; pages of `embed_origins` may read what is public.

    `replays` returns the list of replays, or None where none are kept.
    """
    readable = shared_cors_headers(embed_origins)

    async def playlist(request: web.Request) -> web.Response:
        return _answer(request, views.playlist())

    async def variant_playlist(request: web.Request) -> web.Response:
        return _answer(request, views.variant_playlist(int(request.match_info["variant"])))

    async def all_segments(request: web.Request) -> web.Response:
        return _answer(request, views.segments())

    async def variant_segments(request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= MAX_SEQUENCE_DIGITS):
            return error_response(
                HTTPStatus.BAD_REQUEST, "bad_after", "`after` must be a media sequence number"
            )
        if int(request.match_info["variant"]) not in views.variants:
            return error_response(HTTPStatus.NOT_FOUND, "unknown_rendition", request.path)
        since = int(after) if "after" in request.query else -1
        return _answer(request, views.segments(int(request.match_info["variant"]), since))

    async def all_replays(request: web.Request) -> web.Response:
        body = replays()
        if body is None:
            return error_response(HTTPStatus.NOT_FOUND, "no_replays", "SHOAL_REPLAY is not set")
        return _answer(request, body)

    async def segment(request: web.Request) -> web.Response:
        named = request.match_info.get("variant")
        variant = None if named is None else int(named)
        name = request.match_info["name"]
        if views.is_gap(variant, name):
            # GStreamer 1.22 and VLC 3 load it all the same: a 404 ends them, nothing does not
            return web.Response(content_type=GAP_TYPE, headers={"Cache-Control": REDIRECT_CACHE})
        url = views.segment_url(variant, name)
        if url is None:
            return error_response(
                HTTPStatus.NOT_FOUND, "unknown_segment", f"{request.path} is not in the playlist"
            )
        return web.Response(
            status=HTTPStatus.FOUND, headers={"Location": url, "Cache-Control": REDIRECT_CACHE}
        )

    async def healthz(_request: web.Request) -> web.Response:
        now = health()
        status = HTTPStatus.SERVICE_UNAVAILABLE if now.status == "failing" else HTTPStatus.OK
        return web.Response(
            status=status,
            body=msgspec.json.encode(now),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def let_others_read(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith("/live/"):  # the offline answer and the redirects too
            response.headers.update(readable)

    app = application(SERVICE)
    app.on_response_prepare.append(let_others_read)
    app.add_routes(
        [
            web.get("/live/playlist.m3u8", playlist),
            web.get(r"/live/{variant:\d{1,4}}/playlist.m3u8", variant_playlist),
            web.get("/live/segments.json", all_segments),
            web.get("/live/replays.json", all_replays),
            web.get(r"/live/{variant:\d{1,4}}/segments.json", variant_segments),
            web.get(r"/live/{name:[^/]+\.(?:ts|m4s)}", segment),
            web.get(r"/live/{variant:\d{1,4}}/{name:[^/]+\.(?:ts|m4s)}", segment),
            web.get("/health", healthz),
            web.get("/metrics", metrics),
        ]
    )
    return app


def _answer(request: web.Request, body: Body | None) -> web.Response:
    """Send a rendered body: compressed where the client takes it, 304 where it has it."""
    if body is None:
        return error_response(HTTPStatus.NOT_FOUND, "offline", "nothing has been broadcast yet")
    headers = {
        "Cache-Control": PLAYLIST_CACHE,
        "Vary": "Accept-Encoding",
        "Accept-Ranges": "none",
    }
    wanted = request.if_none_match or ()
    if any(etag.value in ("*", body.etag) for etag in wanted):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    elif coding := _coding(request.headers.get("Accept-Encoding", ""), body.encoded):
        headers["Content-Encoding"] = coding
        encoded = body.encoded[coding]
        response = web.Response(body=encoded, content_type=body.content_type, headers=headers)
    else:
        response = web.Response(body=body.plain, content_type=body.content_type, headers=headers)
    response.etag = ETag(body.etag, is_weak=True)
    return response


def _coding(accepted: str, offered: Iterable[str]) -> str | None:
    """Return the first content coding offered that a client accepts (RFC 9110, section 12.5.3)."""
    wanted: dict[str, str] = {}
    for item in accepted.lower().split(","):
        name, _, weight = item.replace(" ", "").partition(";q=")
        wanted[name] = weight
    usable = {name for name, weight in wanted.items() if not weight or weight.strip("0.")}
    return next((coding for coding in offered if coding in usable), None)

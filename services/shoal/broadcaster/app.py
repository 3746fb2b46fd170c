"""The broadcaster's HTTP side: playlists, descriptors, redirects to the store, health."""

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from aiohttp import ETag, web

from shoal.broadcaster.health import Health
from shoal.broadcaster.views import Body, Views
from shoal.web import application, error_response, metrics

SERVICE = "broadcaster"
PLAYLIST_CACHE = "public, max-age=1"
REDIRECT_CACHE = "public, max-age=60"


def create_app(views: Views, health: Callable[[], Health]) -> web.Application:
    """Return the broadcaster's application."""

    async def playlist(request: web.Request) -> web.Response:
        return _answer(request, views.playlist())

    async def variant_playlist(request: web.Request) -> web.Response:
        return _answer(request, views.variant_playlist(int(request.match_info["variant"])))

    async def all_segments(request: web.Request) -> web.Response:
        return _answer(request, views.segments())

    async def variant_segments(request: web.Request) -> web.Response:
        after = request.query.get("after", "-1")
        if not after.removeprefix("-").isdecimal():
            return error_response(
                HTTPStatus.BAD_REQUEST, "bad_after", f"after={after!r} is no media sequence number"
            )
        return _answer(request, views.segments(int(request.match_info["variant"]), int(after)))

    async def segment(request: web.Request) -> web.Response:
        variant = request.match_info.get("variant")
        name = request.match_info["name"]
        url = views.segment_url(None if variant is None else int(variant), name)
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

    app = application(SERVICE)
    app.add_routes(
        [
            web.get("/live/playlist.m3u8", playlist),
            web.get(r"/live/{variant:\d{1,4}}/playlist.m3u8", variant_playlist),
            web.get("/live/segments.json", all_segments),
            web.get(r"/live/{variant:\d{1,4}}/segments.json", variant_segments),
            web.get(r"/live/{name:[^/]+\.ts}", segment),
            web.get(r"/live/{variant:\d{1,4}}/{name:[^/]+\.ts}", segment),
            web.get("/health", healthz),
            web.get("/metrics", metrics),
        ]
    )
    return app


def _answer(request: web.Request, body: Body | None) -> web.Response:
    """Send a rendered body: compressed where the client takes it, 304 where it has it."""
    if body is None:
        return error_response(HTTPStatus.NOT_FOUND, "offline", "nothing has been broadcast yet")
    headers = {"Cache-Control": PLAYLIST_CACHE, "Vary": "Accept-Encoding"}
    wanted = request.if_none_match or ()
    if any(etag.value in ("*", body.etag) for etag in wanted):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    elif "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        response = web.Response(body=body.gzipped, content_type=body.content_type, headers=headers)
    else:
        response = web.Response(body=body.plain, content_type=body.content_type, headers=headers)
    response.etag = ETag(body.etag, is_weak=True)
    return response

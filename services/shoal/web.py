"""Common parts of all HTTP services: `X-Shoal`, JSON errors, CORS, byte counters, shutdown."""

import asyncio
import errno
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from yarl import URL

from shoal import systemd
from shoal.errors import OperatorError

log = logging.getLogger("shoal.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VIDEO_SUFFIXES = frozenset({".ts", ".m4s", ".mp4", ".aac"})
ANY_ORIGIN = "*"
SHUTDOWN_TIMEOUT_S = 5.0

RESPONSE_BYTES = Counter(
    "shoal_http_response_bytes", "Bytes of HTTP response bodies sent", ["service", "kind"]
)

REQUESTS = Counter("shoal_http_requests", "HTTP requests that were answered", ["service"])


def is_video(path: str, content_type: str) -> bool:
    """Return whether a successful response carries video, judging by its type and path."""
    return content_type.startswith("video/") or PurePosixPath(path).suffix in VIDEO_SUFFIXES


def count_response(service: str, path: str, status: int, content_type: str, size: int) -> None:
    """Add `size` bytes of a response body to the counters of `service`."""
    video = status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and is_video(path, content_type)
    RESPONSE_BYTES.labels(service, "video" if video else "other").inc(size)


def error_response(status: int, code: str, message: str) -> web.Response:
    """Return an uncacheable JSON error."""
    return web.json_response(
        {"error": {"code": code, "message": message}},
        status=status,
        headers={"Cache-Control": "no-store"},
    )


def application(service: str) -> web.Application:
    """Return an application with an `X-Shoal: service` header and JSON errors."""

    @web.middleware
    async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            response = error_response(
                error.status,
                error.reason.lower().replace(" ", "_"),
                f"{request.method} {request.path}: {error.reason}",
            )
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response

    async def add_service_header(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Shoal"] = service

    app = web.Application(middlewares=[errors_as_json])
    app.on_response_prepare.append(add_service_header)
    return app


def cors_headers(embed_origins: Collection[str], origin: str | None) -> dict[str, str]:
    """Return the CORS headers of an uncached response to a page of `origin`.

    `embed_origins` is the setting of the same name: sites that may embed the player.
    """
    if ANY_ORIGIN in embed_origins:
        return {"Access-Control-Allow-Origin": ANY_ORIGIN}
    if not embed_origins:
        return {}
    if origin is None or origin not in embed_origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}


def shared_cors_headers(embed_origins: Collection[str]) -> dict[str, str]:
    """Return the CORS headers of a response that shared caches serve to everybody.

    Caches ignore `Origin`, so a response for one site would reach the others: if several sites may
    embed the player, any site may read it. Signaling decides who may join.
    """
    if not embed_origins:
        return {}
    only = next(iter(embed_origins)) if len(embed_origins) == 1 else ANY_ORIGIN
    return {"Access-Control-Allow-Origin": only}


def json_body(body: bytes, status: int = 200) -> web.Response:
    """Return a response with encoded JSON that must not be cached."""
    return web.Response(
        body=body,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def metrics(_request: web.Request) -> web.Response:
    """Respond to `/metrics` in Prometheus' text format."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _count_bodies(app: web.Application, service: str) -> None:
    """Count every response body as it is written, so that an aborted one counts too."""

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        def written(size: int, _with_headers: int) -> None:
            count_response(service, request.path, response.status, response.content_type, size)

        REQUESTS.labels(service).inc()
        request.writer.on_body_write = written
        if isinstance(response, web.FileResponse):
            # sendfile would bypass the writer; enabled here, once the headers are ready, this
            # "compression" has no other effect
            response.enable_compression(web.ContentCoding.identity)

    app.on_response_prepare.append(count)


async def start(app: web.Application, service: str, url: str) -> web.AppRunner:
    """Listen on the host and port of `url`. Raises OperatorError if that is not possible."""
    address = URL(url)
    runner = await prepare(app, service)
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        await runner.cleanup()
        raise cannot_listen(service, url, error) from error
    started(service, url)
    return runner


async def prepare(app: web.Application, service: str) -> web.AppRunner:
    """Return a runner for an application; it does not listen yet."""
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)
    _count_bodies(app, service)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    return runner


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Filter out malformed requests: they get a 400, and anyone can send any number of them."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def cannot_listen(service: str, url: str, error: OSError) -> OperatorError:
    """Return the error for a port that cannot be opened."""
    if error.errno != errno.EADDRINUSE:
        return OperatorError(f"{service}: cannot listen on {url}: {error.strerror}")
    return OperatorError(
        f"{service}: port {URL(url).port} is in use: stop the program that uses it, or choose"
        " another port"
    )


def started(service: str, url: str) -> None:
    """Log, and tell systemd, that a service is listening."""
    # the objects made so far stay for good: a full collection over them would pause for 100 ms
    gc.collect()
    gc.freeze()
    log.info("%s listens on %s", service, url)
    systemd.ready(f"listens on {url}")


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; systemd is told at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        systemd.stopping()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


async def serve(app: web.Application, service: str, url: str) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = stop_event()
    runner = await start(app, service, url)
    try:
        await stop.wait()
    finally:
        await runner.cleanup()

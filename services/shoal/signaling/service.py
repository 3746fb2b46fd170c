"""The signaling service: its routes, its lines for operators, and its life."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import msgspec
from aiohttp import WSCloseCode, web
from prometheus_client import REGISTRY

from shoal.settings import SignalingSettings
from shoal.signaling import broadcaster_socket
from shoal.signaling.coalesce import coalesced
from shoal.signaling.hub import Hub
from shoal.signaling.metrics import HubCollector
from shoal.signaling.records import add_records
from shoal.signaling.rooms import socket as room_socket
from shoal.signaling.tracker.socket import add_tracker
from shoal.web import application, metrics, serve

log = logging.getLogger("shoal.signaling")

COUNTS_INTERVAL_S = 10.0
"""operators' lines come at most this often"""

HUB = web.AppKey("hub", Hub)


def signaling(settings: SignalingSettings) -> web.Application:
    """Return signaling's application."""
    token = settings.broadcaster_token.get_secret_value()

    async def room(request: web.Request) -> web.StreamResponse:
        return await room_socket.converse(request, request.app[HUB])

    async def broadcaster(request: web.Request) -> web.StreamResponse:
        return await broadcaster_socket.converse(request, request.app[HUB], token)

    app = application("signaling")
    app.router.add_get("/ws/room", room)
    app.router.add_get("/broadcaster", broadcaster)
    app.router.add_get("/health", _health)
    app.router.add_get("/stats", _stats)
    app.router.add_get("/metrics", metrics)
    app.cleanup_ctx.append(_with_hub)
    app.on_shutdown.append(_close_sockets)
    add_records(app, HUB)
    add_tracker(app)
    return app


async def run(settings: SignalingSettings) -> None:
    """Serve until SIGTERM, then close every socket with code 1001."""
    await serve(signaling(settings), "signaling", settings.signaling_url)


async def log_counts(hub: Hub, interval_s: float = COUNTS_INTERVAL_S) -> None:
    """Tell the operator's log who is here, on change; runs until cancelled."""
    said: Sequence[str] = ()
    with hub.watching() as changed:
        async for _ in coalesced(changed, interval_s):
            lines = (
                f"Active Viewers: {hub.viewers}",
                f"Active Broadcasters: {hub.broadcasters}",
                f"Total Chunks Processed: {hub.programme.chunks}",
            )
            for line in lines:
                if line not in said:
                    log.info(line)
            said = lines


async def _with_hub(app: web.Application) -> AsyncIterator[None]:
    hub = app[HUB] = Hub()
    collector = HubCollector(hub)
    REGISTRY.register(collector)
    counts = asyncio.create_task(log_counts(hub))
    try:
        yield
    finally:
        counts.cancel()
        REGISTRY.unregister(collector)
        hub.close()


async def _close_sockets(app: web.Application) -> None:
    for outbox in app[HUB].sockets:
        outbox.end(WSCloseCode.GOING_AWAY, "signaling stops")


async def _health(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    return web.json_response(
        {
            "status": "ok",
            "viewers": hub.viewers,
            "broadcasters": hub.broadcasters,
            "chunks": hub.programme.chunks,
        },
        headers={"Cache-Control": "no-store"},
    )


async def _stats(request: web.Request) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(request.app[HUB].stats()),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )

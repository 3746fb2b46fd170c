"""The signaling service: startup and shutdown, handshakes, and the HTTP routes for this host."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import msgspec
from aiohttp import web
from picows import WSCloseCode, WSUpgradeRequest
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from yarl import URL

from shoal.aio import coalesced
from shoal.alarms.webhook import create_webhook
from shoal.auth import has_bearer_token, is_equal, seed_token
from shoal.config.settings import SignalingSettings
from shoal.problems import Problem, Problems
from shoal.signaling.access import (
    Client,
    Refusal,
    TokenVerdict,
    TrustedProxies,
    origin_refusal,
    token_verdict,
)
from shoal.signaling.broadcaster_connection import BroadcasterConnection
from shoal.signaling.cluster.node import ClusterNode
from shoal.signaling.connection_limits import ConnectionLimits
from shoal.signaling.http import add_routes
from shoal.signaling.listener import Listener
from shoal.signaling.metrics import RoomCollector
from shoal.signaling.room_service import RoomService
from shoal.signaling.stats.health_checks import HealthChecks, Observation
from shoal.signaling.tracker.connection import Tracker
from shoal.signaling.tracker.served_torrents import Credentials
from shoal.signaling.viewer_connection import ViewerConnection
from shoal.signaling.websocket import WebSocket, WebSockets
from shoal.web import Handler, application, error_response, json_body, metrics, stop_event

log = logging.getLogger("shoal.signaling")

COUNT_LOG_INTERVAL_S = 10.0
"""count lines are logged at most this often"""
HEALTH_CHECK_INTERVAL_S = 1.0

TRACKER_PATH, ROOM_PATH, BROADCASTER_PATH = "/ws", "/ws/room", "/broadcaster"
PUBLIC_PATHS = (TRACKER_PATH, ROOM_PATH)
PATHS = (*PUBLIC_PATHS, BROADCASTER_PATH)

ROOM_SERVICE = web.AppKey("room_service", RoomService)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/health`."""

    status: Literal["ok", "degraded", "failing"]
    viewers: int
    broadcasters: int
    chunks: int
    """segments announced"""
    problems: list[Problem]


class Signaling:
    """One signaling process. Must be created inside a running event loop."""

    def __init__(self, settings: SignalingSettings) -> None:
        self._settings = settings
        self._broadcaster_token = settings.broadcaster_token.get_secret_value()
        self._seed_token = seed_token(self._broadcaster_token)
        self._join_secret = settings.join_secret.get_secret_value()
        self._trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self._connection_limits = ConnectionLimits(
            settings.max_sockets_per_address, settings.max_messages_per_s
        )
        self.room_service = RoomService()
        self.tracker = Tracker()
        url = settings.cluster
        self._problems = Problems()
        # after a restart no process knows which of several speaks for the station
        state_dir = settings.state_dir if url is None else None
        self._webhook = create_webhook(settings, "signaling", self._problems, state_dir)
        self._health_checks = HealthChecks(
            self._problems, settings.alarm_share, asyncio.get_running_loop().time()
        )
        self._had_broadcaster = url is None
        self._cluster_node = (
            ClusterNode(url, self._broadcaster_token, self.room_service, self.tracker)
            if url
            else None
        )
        self._websockets = WebSockets()
        self._listener = Listener(
            _application(self.room_service, self._health),
            frozenset(path.encode() for path in PATHS),
            self._accept,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._collectors: list[Collector] = [RoomCollector(self.room_service), self.tracker]
        if self._cluster_node:
            self._collectors.append(self._cluster_node)

    async def start(self) -> None:
        """Listen; raises OperatorError if that fails."""
        await self._listener.start(
            self._settings.signaling_url,
            shared=self._settings.cluster_url is not None,
            own_url=self._settings.process_url,
        )
        for collector in self._collectors:
            REGISTRY.register(collector)
        self._tasks = [
            asyncio.create_task(log_counts(self.room_service)),
            asyncio.create_task(self.tracker.expire()),
            asyncio.create_task(self._websockets.sweep()),
            asyncio.create_task(self._check_health_regularly()),
        ]
        if self._webhook:
            self._tasks.append(asyncio.create_task(self._webhook.run()))
        if self._cluster_node:
            self._tasks.append(asyncio.create_task(self._cluster_node.run()))

    async def stop(self) -> None:
        """Stop listening, close every WebSocket with 1001, and stop."""
        self._listener.close()
        await self._websockets.close_all(WSCloseCode.GOING_AWAY, "signaling is stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for collector in self._collectors:
            REGISTRY.unregister(collector)
        self.room_service.close()
        await self._listener.clean_up()

    async def _check_health_regularly(self) -> None:
        while True:
            self._check_health()
            await asyncio.sleep(HEALTH_CHECK_INTERVAL_S)

    def _check_health(self) -> None:
        """Check for problems, if this process has the broadcaster, or had it last."""
        room_service = self.room_service
        if room_service.broadcasters:
            self._had_broadcaster = self._cluster_node is None or bool(
                room_service.local_broadcasters
            )
        observed = Observation(
            room_service.totals(),
            room_service.broadcast.stream.live,
            bool(room_service.broadcasters),
            self._had_broadcaster,
        )
        self._health_checks.check(observed, asyncio.get_running_loop().time())
        self._health_checks.check_cluster(self._cluster_node.fault if self._cluster_node else None)

    def _health(self) -> Health:
        self._check_health()
        return Health(
            status=self._problems.status,
            viewers=self.room_service.viewers,
            broadcasters=self.room_service.broadcasters,
            chunks=self.room_service.broadcast.chunks,
            problems=self._problems.standing(),
        )

    def _accept(self, request: WSUpgradeRequest, peer: str) -> WebSocket | Refusal:
        """Accept or refuse a handshake."""
        url = URL(request.path.decode("latin-1"), encoded=True)
        client = self._trusted_proxies.client(peer, request.headers)
        if url.raw_path == BROADCASTER_PATH:
            return self._accept_broadcaster(request, client)
        refusal = origin_refusal(request.headers, self._settings.embed_origins)
        if refusal is not None:
            return refusal
        if url.raw_path == ROOM_PATH:
            connect = partial(self._connect_viewer, client)
            is_seeder = False
        else:
            is_seeder = not client.through_edge and is_equal(
                url.query.get("seed", ""), self._seed_token
            )
            credentials = Credentials(
                self._check_token(client, url.query.get("token", "")), is_seeder
            )
            connect = partial(self.tracker.connect, client, credentials)
        if is_seeder:
            return WebSocket(self._websockets, connect, None)
        quota = self._connection_limits.quota_for(client.address, self._websockets.time())
        return quota if isinstance(quota, Refusal) else WebSocket(self._websockets, connect, quota)

    def _accept_broadcaster(self, request: WSUpgradeRequest, client: Client) -> WebSocket | Refusal:
        if client.through_edge:
            return Refusal(404, "not_found", "no such page")
        if not has_bearer_token(request.headers.get("Authorization"), self._broadcaster_token):
            log.warning("refused a broadcaster with a wrong or missing token")
            return Refusal(401, "unauthorized", "this requires the broadcaster's bearer token")
        connect = partial(BroadcasterConnection, self.room_service, self.tracker.served_torrents)
        return WebSocket(self._websockets, connect, None)

    def _connect_viewer(self, client: Client, websocket: WebSocket) -> ViewerConnection:
        return ViewerConnection(
            self.room_service, client.address, partial(self._check_token, client), websocket
        )

    def _check_token(self, client: Client, token: str) -> TokenVerdict:
        return token_verdict(self._join_secret, token, client.host, time.time())


async def run(settings: SignalingSettings) -> None:
    """Serve until SIGTERM or SIGINT, then close every WebSocket with code 1001."""
    stop = stop_event()
    signaling = Signaling(settings)
    await signaling.start()
    try:
        await stop.wait()
    finally:
        await signaling.stop()


async def log_counts(room_service: RoomService, interval_s: float = COUNT_LOG_INTERVAL_S) -> None:
    """Log the numbers of viewers, broadcasters and segments when they change, until cancelled."""
    logged: Sequence[str] = ()
    with room_service.watching() as changed:
        async for _ in coalesced(changed, interval_s):
            lines = (
                f"Active Viewers: {room_service.viewers}",
                f"Active Broadcasters: {room_service.broadcasters}",
                f"Total Chunks Processed: {room_service.broadcast.chunks}",
            )
            for line in lines:
                if line not in logged:
                    log.info(line)
            logged = lines


def _application(room_service: RoomService, health: Callable[[], Health]) -> web.Application:
    """Return the HTTP application, which is for this host only."""

    async def get_health(_request: web.Request) -> web.Response:
        return json_body(msgspec.json.encode(health()))

    app = application("signaling")
    app.middlewares.insert(0, _this_host_only)
    app[ROOM_SERVICE] = room_service
    app.router.add_get("/health", get_health)
    app.router.add_get("/stats", _stats)
    app.router.add_get("/metrics", metrics)
    for path in PATHS:
        app.router.add_get(path, _upgrade_required)
    add_routes(app, ROOM_SERVICE)
    return app


@web.middleware
async def _this_host_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hide everything but the public WebSockets from requests that come through the edge.

    The public routes lead to `/ws` alone; this is for the day on which they are misconfigured.
    """
    if "CF-Connecting-IP" in request.headers and request.rel_url.raw_path not in PUBLIC_PATHS:
        response: web.StreamResponse = error_response(404, "not_found", "no such page")
    else:
        response = await handler(request)
    # a WebSocket handshake that came next on this connection would not reach the listener
    response.force_close()
    return response


async def _upgrade_required(_request: web.Request) -> web.Response:
    response = error_response(426, "upgrade_required", "this path is for WebSockets only")
    response.headers["Upgrade"] = "websocket"
    return response


async def _stats(request: web.Request) -> web.Response:
    return json_body(msgspec.json.encode(request.app[ROOM_SERVICE].stats()))

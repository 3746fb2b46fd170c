"""The signaling service: who may connect to what, its lines for operators, and its life."""

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
from shoal.alarms.webhook import webhook
from shoal.auth import has_bearer_token, is_equal, seed_token
from shoal.config.settings import SignalingSettings
from shoal.problems import Problem, Problems
from shoal.signaling.access import (
    Client,
    Proxies,
    Refusal,
    TokenVerdict,
    origin_refusal,
    token_verdict,
)
from shoal.signaling.broadcaster_connection import BroadcasterConversation
from shoal.signaling.cluster.node import Cluster
from shoal.signaling.connection_limits import Visitors
from shoal.signaling.http import add_records
from shoal.signaling.listener import Door
from shoal.signaling.metrics import HubCollector
from shoal.signaling.room_service import Hub
from shoal.signaling.stats.health_checks import Inspection, Seen
from shoal.signaling.tracker.connection import Tracker
from shoal.signaling.tracker.served_torrents import Pass
from shoal.signaling.viewer_connection import RoomConversation
from shoal.signaling.websocket import Socket, Sockets
from shoal.web import Handler, application, error_response, json_body, metrics, stop_event

log = logging.getLogger("shoal.signaling")

COUNTS_INTERVAL_S = 10.0
"""operators' lines come at most this often"""
INSPECT_INTERVAL_S = 1.0

TRACKER, ROOM, BROADCASTER = "/ws", "/ws/room", "/broadcaster"
PUBLIC = (TRACKER, ROOM)
PATHS = (*PUBLIC, BROADCASTER)

HUB = web.AppKey("hub", Hub)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/health`."""

    status: Literal["ok", "degraded", "failing"]
    viewers: int
    broadcasters: int
    chunks: int
    """segments announced"""
    problems: list[Problem]


class Signaling:
    """One signaling process. Must be made inside a running event loop."""

    def __init__(self, settings: SignalingSettings) -> None:
        self._settings = settings
        self._broadcaster_token = settings.broadcaster_token.get_secret_value()
        self._seed_token = seed_token(self._broadcaster_token)
        self._join_secret = settings.join_secret.get_secret_value()
        self._proxies = Proxies(settings.trusted_proxies)
        self._visitors = Visitors(settings.max_sockets_per_address, settings.max_messages_per_s)
        self.hub = Hub()
        self.tracker = Tracker()
        url = settings.cluster
        self._problems = Problems()
        # of several processes none knows which of them speaks for the station after a restart
        state_dir = settings.state_dir if url is None else None
        self._webhook = webhook(settings, "signaling", self._problems, state_dir)
        self._inspection = Inspection(
            self._problems, settings.alarm_share, asyncio.get_running_loop().time()
        )
        self._had_broadcaster = url is None
        self._cluster = (
            Cluster(url, self._broadcaster_token, self.hub, self.tracker) if url else None
        )
        self._sockets = Sockets()
        self._door = Door(
            _application(self.hub, self._health),
            frozenset(path.encode() for path in PATHS),
            self._welcome,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._collectors: list[Collector] = [HubCollector(self.hub), self.tracker]
        if self._cluster:
            self._collectors.append(self._cluster)

    async def start(self) -> None:
        """Listen; raises OperatorError when that cannot be."""
        await self._door.open(
            self._settings.signaling_url,
            shared=self._settings.cluster_url is not None,
            own_url=self._settings.process_url,
        )
        for collector in self._collectors:
            REGISTRY.register(collector)
        self._tasks = [
            asyncio.create_task(log_counts(self.hub)),
            asyncio.create_task(self.tracker.expire()),
            asyncio.create_task(self._sockets.sweep()),
            asyncio.create_task(self._inspect()),
        ]
        if self._webhook:
            self._tasks.append(asyncio.create_task(self._webhook.run()))
        if self._cluster:
            self._tasks.append(asyncio.create_task(self._cluster.run()))

    async def stop(self) -> None:
        """Let nobody in, end every socket with 1001, and stop."""
        self._door.close()
        await self._sockets.close(WSCloseCode.GOING_AWAY, "signaling stops")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for collector in self._collectors:
            REGISTRY.unregister(collector)
        self.hub.close()
        await self._door.clean_up()

    async def _inspect(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(INSPECT_INTERVAL_S)

    def _look(self) -> None:
        """Look for problems; of several processes the broadcaster's, or its last, watches."""
        hub = self.hub
        if hub.broadcasters:
            self._had_broadcaster = self._cluster is None or bool(hub.own_broadcasters)
        seen = Seen(
            hub.totals(), hub.programme.on_air.live, bool(hub.broadcasters), self._had_broadcaster
        )
        self._inspection.look(seen, asyncio.get_running_loop().time())
        self._inspection.cluster(self._cluster.fault if self._cluster else None)

    def _health(self) -> Health:
        self._look()
        return Health(
            status=self._problems.status,
            viewers=self.hub.viewers,
            broadcasters=self.hub.broadcasters,
            chunks=self.hub.programme.chunks,
            problems=self._problems.standing(),
        )

    def _welcome(self, request: WSUpgradeRequest, peer: str) -> Socket | Refusal:
        """Decide on a handshake."""
        url = URL(request.path.decode("latin-1"), encoded=True)
        client = self._proxies.client(peer, request.headers)
        if url.raw_path == BROADCASTER:
            return self._welcome_broadcaster(request, client)
        refusal = origin_refusal(request.headers, self._settings.embed_origins)
        if refusal is not None:
            return refusal
        if url.raw_path == ROOM:
            begin = partial(self._room, client)
            seeder = False
        else:
            seeder = not client.through_edge and is_equal(
                url.query.get("seed", ""), self._seed_token
            )
            shown = Pass(self._check_token(client, url.query.get("token", "")), seeder)
            begin = partial(self.tracker.converse, client, shown)
        if seeder:
            return Socket(self._sockets, begin, None)
        visit = self._visitors.visit(client.address, self._sockets.time())
        return visit if isinstance(visit, Refusal) else Socket(self._sockets, begin, visit)

    def _welcome_broadcaster(self, request: WSUpgradeRequest, client: Client) -> Socket | Refusal:
        if client.through_edge:
            return Refusal(404, "not_found", "there is no such page")
        if not has_bearer_token(request.headers.get("Authorization"), self._broadcaster_token):
            log.warning("a broadcaster without the right token was refused")
            return Refusal(401, "unauthorized", "the broadcaster's bearer token is required")
        begin = partial(BroadcasterConversation, self.hub, self.tracker.admission)
        return Socket(self._sockets, begin, None)

    def _room(self, client: Client, socket: Socket) -> RoomConversation:
        return RoomConversation(
            self.hub, client.address, partial(self._check_token, client), socket
        )

    def _check_token(self, client: Client, token: str) -> TokenVerdict:
        return token_verdict(self._join_secret, token, client.host, time.time())


async def run(settings: SignalingSettings) -> None:
    """Serve until SIGTERM or SIGINT, then close every socket with code 1001."""
    stop = stop_event()
    signaling = Signaling(settings)
    await signaling.start()
    try:
        await stop.wait()
    finally:
        await signaling.stop()


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


def _application(hub: Hub, health: Callable[[], Health]) -> web.Application:
    """Return what is served over HTTP, for this host only."""

    async def get_health(_request: web.Request) -> web.Response:
        return json_body(msgspec.json.encode(health()))

    app = application("signaling")
    app.middlewares.insert(0, _this_host_only)
    app[HUB] = hub
    app.router.add_get("/health", get_health)
    app.router.add_get("/stats", _stats)
    app.router.add_get("/metrics", metrics)
    for path in PATHS:
        app.router.add_get(path, _upgrade_required)
    add_records(app, HUB)
    return app


@web.middleware
async def _this_host_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hide everything but the WebSockets from what comes through the edge.

    The public routes lead to `/ws` alone, so this is for the day on which they are wrong.
    """
    if "CF-Connecting-IP" in request.headers and request.rel_url.raw_path not in PUBLIC:
        response: web.StreamResponse = error_response(404, "not_found", "there is no such page")
    else:
        response = await handler(request)
    # a WebSocket that came next on this connection would not get to the door
    response.force_close()
    return response


async def _upgrade_required(_request: web.Request) -> web.Response:
    response = error_response(426, "upgrade_required", "this is for WebSockets")
    response.headers["Upgrade"] = "websocket"
    return response


async def _stats(request: web.Request) -> web.Response:
    return json_body(msgspec.json.encode(request.app[HUB].stats()))

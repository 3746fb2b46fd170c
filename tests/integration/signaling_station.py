"""A running signaling service, and its clients."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import WSMsgType
from pydantic import SecretStr

from shoal.announcements import FromBroadcaster
from shoal.auth import issue_join_token, seed_token
from shoal.config.settings import SignalingSettings
from shoal.signaling import service
from shoal.signaling.room_service import RoomService
from shoal.signaling.tracker.connection import Tracker
from shoal.signaling.websocket import WebSockets
from tests.support.raw_websocket import close_all
from tests.support.station import free_port

TOKEN = "broadcaster's token"
JOIN_SECRET = "join secret"
TIMEOUT_S = 10.0

Message = dict[str, Any]


def free_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


class Client:
    """One WebSocket; tests wait for its messages, and never sleep instead."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.id = ""

    async def send(self, **message: Any) -> None:
        await self.ws.send_json(message)

    async def announce(self, message: FromBroadcaster) -> None:
        await self.ws.send_str(msgspec.json.encode(message).decode())

    async def next(self) -> Message:
        frame = await asyncio.wait_for(self.ws.receive(), TIMEOUT_S)
        assert frame.type is WSMsgType.TEXT, frame
        return json.loads(frame.data)

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        while not wanted(message := await self.next()):
            pass
        return message

    async def room_of(self, size: int) -> Message:
        return await self.until(lambda m: m["type"] == "room" and len(m["members"]) == size)

    async def closed(self) -> int | None:
        """Skip messages until the close; return its code."""
        while (await asyncio.wait_for(self.ws.receive(), TIMEOUT_S)).type is WSMsgType.TEXT:
            pass
        return self.ws.close_code


class Signaling:
    """One signaling service on one port, and its clients' session."""

    def __init__(self, session: aiohttp.ClientSession, **settings: Any) -> None:
        self.session = session
        self._settings = settings
        self.clients: list[Client] = []  # a socket without a reference is closed
        self.url = free_url()
        self._service: service.Signaling | None = None

    @property
    def room_service(self) -> RoomService:
        """The running service's room service."""
        assert self._service is not None
        return self._service.room_service

    @property
    def tracker(self) -> Tracker:
        """The running service's tracker."""
        assert self._service is not None
        return self._service.tracker

    @property
    def websockets(self) -> WebSockets:
        """The running service's WebSockets."""
        assert self._service is not None
        return self._service._websockets

    @property
    def seed_url(self) -> str:
        """The tracker's URL for the broadcaster's seeder."""
        return f"ws{self.url.removeprefix('http')}/ws?seed={seed_token(TOKEN)}"

    def token(self, **options: Any) -> str:
        """Return a join token for this station."""
        return issue_join_token(JOIN_SECRET, "127.0.0.1", time.time(), **options)

    async def start(self) -> None:
        settings = SignalingSettings(
            signaling_url=self.url,
            broadcaster_token=SecretStr(TOKEN),
            join_secret=SecretStr(JOIN_SECRET),
            **self._settings,
        )
        self._service = service.Signaling(settings)
        await self._service.start()

    async def stop(self) -> None:
        if self._service is not None:
            await self._service.stop()
        self._service = None

    async def connect(self, **options: Any) -> Client:
        return self._hold(await self.session.ws_connect(f"{self.url}/ws/room", **options))

    async def join(self, variant: int = 0, replay: str | None = None, **options: Any) -> Client:
        """Return a viewer that has read its first `stream` and `room`."""
        viewer = await self.connect(**options)
        wanted = {"variant": variant, "replay": replay}
        await viewer.send(type="join", plan_version=2, token=self.token(), **wanted)
        assert (await viewer.next())["type"] == "stream"
        room = await viewer.next()
        assert room["type"] == "room"
        viewer.id = room["you"]
        return viewer

    async def broadcaster(self) -> Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self._hold(await self.session.ws_connect(f"{self.url}/broadcaster", headers=headers))

    def _hold(self, ws: aiohttp.ClientWebSocketResponse) -> Client:
        self.clients.append(Client(ws))
        return self.clients[-1]

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            assert response.headers["X-Shoal"] == "signaling"
            return await response.json()

    async def text(self, path: str) -> str:
        async with self.session.get(self.url + path) as response:
            return await response.text()


@asynccontextmanager
async def running_signaling(**settings: Any) -> AsyncGenerator[Signaling]:
    async with aiohttp.ClientSession() as session:
        running = Signaling(session, **settings)
        await running.start()
        try:
            yield running
        finally:
            await close_all()
            await asyncio.gather(*(client.ws.close() for client in running.clients))
            await running.stop()

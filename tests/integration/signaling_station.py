"""A running signaling service, and the clients that tests talk to it with."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from pydantic import SecretStr

from shoal.announcements import FromBroadcaster
from shoal.settings import SignalingSettings
from shoal.signaling.service import signaling
from shoal.web import start

TOKEN = "broadcaster's token"
JOIN_SECRET = "join secret"
PATIENCE_S = 10.0

Message = dict[str, Any]


def free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class Client:
    """One WebSocket; messages are awaited, never slept for."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.id = ""

    async def send(self, **message: Any) -> None:
        await self.ws.send_json(message)

    async def announce(self, message: FromBroadcaster) -> None:
        await self.ws.send_str(msgspec.json.encode(message).decode())

    async def next(self) -> Message:
        frame = await asyncio.wait_for(self.ws.receive(), PATIENCE_S)
        assert frame.type is WSMsgType.TEXT, frame
        return json.loads(frame.data)

    async def until(self, wanted: Callable[[Message], bool]) -> Message:
        while not wanted(message := await self.next()):
            pass
        return message

    async def room_of(self, size: int) -> Message:
        return await self.until(lambda m: m["type"] == "room" and len(m["members"]) == size)

    async def closed(self) -> int | None:
        """Wait for the end, skipping messages; return the close code."""
        while (await asyncio.wait_for(self.ws.receive(), PATIENCE_S)).type is WSMsgType.TEXT:
            pass
        return self.ws.close_code


class Signaling:
    """One signaling service on one port, and its clients' session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.clients: list[Client] = []  # a socket that nobody holds is closed
        self.url = free_url()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        settings = SignalingSettings(
            signaling_url=self.url,
            broadcaster_token=SecretStr(TOKEN),
            join_secret=SecretStr(JOIN_SECRET),
        )
        self.app = signaling(settings)
        self._runner = await start(self.app, "signaling", self.url)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def connect(self, **options: Any) -> Client:
        return self._hold(await self.session.ws_connect(f"{self.url}/ws/room", **options))

    async def join(self, variant: int = 0, **options: Any) -> Client:
        """Return a viewer that has read its first `stream` and `room`."""
        viewer = await self.connect(**options)
        await viewer.send(type="join", plan_version=1, variant=variant)
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
async def running_signaling() -> AsyncGenerator[Signaling]:
    async with aiohttp.ClientSession() as session:
        service = Signaling(session)
        await service.start()
        try:
            yield service
        finally:
            await asyncio.gather(*(client.ws.close() for client in service.clients))
            await service.stop()

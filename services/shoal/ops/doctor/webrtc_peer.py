"""A viewer without a player: joins a room as docs/protocol.md says, owns and sends nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec

from shoal.ops.doctor.probe_context import NoAnswerError, ProbeContext
from shoal.signaling.rooms.plan import PLAN_VERSION

VARIANT = 255
"""that nobody plays: the doctor's peers share a room, and no viewer counts on them"""
RESPONSE_TIMEOUT_S = 5.0


class JoinRefusedError(Exception):
    """Signaling refused the join; `code` is the protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class WebRtcPeer:
    """A member of a room that can negotiate a WebRTC connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._signals: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.id = ""
        self.room = ""
        self.members = frozenset[str]()

    async def join(self, token: str) -> None:
        """Join a room; raise JoinRefusedError if refused, NoAnswerError if nothing comes back."""
        await self._send(
            {
                "type": "join",
                "plan_version": PLAN_VERSION,
                "variant": VARIANT,
                "upload": False,
                "token": token,
            }
        )
        async with _time_limit("no roster arrived after the join"):
            while not self.id:
                await self._receive()

    async def wait_for_member(self, member: str) -> None:
        """Wait until the roster names a member; raise NoAnswerError if it never does."""
        async with _time_limit("the roster did not name the other peer"):
            while member not in self.members:
                await self._receive()

    async def send_signal(self, to: str, data: object) -> None:
        """Send `data` to a member through signaling."""
        await self._send({"type": "signal", "to": to, "data": data})

    async def receive_signal(self, sender: str) -> Any:
        """Return the next data that a member sent here; raise NoAnswerError if none arrives.

        Signals from other members are dropped.
        """
        async with _time_limit("a signal from one peer did not reach the other"):
            while True:
                while not self._signals.empty():
                    member, data = self._signals.get_nowait()
                    if member == sender:
                        return data
                await self._receive()

    async def _send(self, message: object) -> None:
        await self._socket.send_str(msgspec.json.encode(message).decode())

    async def _receive(self) -> None:
        """Receive and apply the next message."""
        frame = await self._socket.receive()
        if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise NoAnswerError(f"/ws/room closed the WebSocket ({self._socket.close_code})")
        message: dict[str, Any] = msgspec.json.decode(frame.data)
        match message.get("type"):
            case "error":
                raise JoinRefusedError(message["code"], message["message"])
            case "room":
                self.id, self.room = message["you"], message["room"]
                self.members = frozenset(member["id"] for member in message["members"])
            case "signal":
                self._signals.put_nowait((message["from"], message["data"]))
            case _:
                pass


@asynccontextmanager
async def _time_limit(failure: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            yield
    except TimeoutError:
        raise NoAnswerError(f"/ws/room: {failure} within {RESPONSE_TIMEOUT_S:g} s") from None


@asynccontextmanager
async def open_websocket(
    context: ProbeContext, path: str
) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    """Open a WebSocket as the station's own page does; raise NoAnswerError if that fails."""
    url = f"ws{context.url.removeprefix('http')}{path}"
    without_query = url.partition("?")[0]
    try:
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            socket = await context.session.ws_connect(url, headers={"Origin": context.url})
    except aiohttp.WSServerHandshakeError as error:
        raise NoAnswerError(
            f"{without_query} answered {error.status} to a WebSocket handshake"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise context.no_answer(f"{context.url}{path.partition('?')[0]}", error) from error
    try:
        yield socket
    finally:
        with suppress(aiohttp.ClientError, OSError):
            await socket.close()


@asynccontextmanager
async def joined_peer(context: ProbeContext, token: str) -> AsyncGenerator[WebRtcPeer]:
    """Yield a peer that has joined a room, and let it leave afterward."""
    async with open_websocket(context, "/ws/room") as socket:
        peer = WebRtcPeer(socket)
        await peer.join(token)
        yield peer

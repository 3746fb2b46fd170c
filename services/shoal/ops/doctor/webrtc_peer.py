"""A viewer without a player: joins a room as docs/protocol.md says, owns nothing, sends nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec

from shoal.ops.doctor.check import NoAnswerError
from shoal.ops.doctor.probe_context import Visit
from shoal.signaling.rooms.plan import PLAN_VERSION

VARIANT = 255
"""which nobody plays: so the doctor's members sit together, and no viewer reckons with them"""
ANSWER_TIMEOUT_S = 5.0


class RefusedError(Exception):
    """Signaling does not let this member in; `code` is the protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Member:
    """One member of a room."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.id = ""
        self.room = ""
        self.members = frozenset[str]()

    async def join(self, token: str) -> None:
        """Join; raise RefusedError where signaling says no, NoAnswerError where it says nothing."""
        await self._say(
            {
                "type": "join",
                "plan_version": PLAN_VERSION,
                "variant": VARIANT,
                "upload": False,
                "token": token,
            }
        )
        async with _within("no roster came after a join"):
            while not self.id:
                await self._hear()

    async def met(self, other: str) -> None:
        """Wait until the roster has another member; NoAnswerError when it does not get it."""
        async with _within("the roster did not name the other member"):
            while other not in self.members:
                await self._hear()

    async def signal(self, to: str, data: object) -> None:
        """Have `data` passed on to a member."""
        await self._say({"type": "signal", "to": to, "data": data})

    async def signalled(self, sender: str) -> Any:
        """Return what a member had passed on to us; NoAnswerError when nothing comes.

        What others want is left aside.
        """
        async with _within("what one member said did not reach the other"):
            while True:
                while not self._heard.empty():
                    who, data = self._heard.get_nowait()
                    if who == sender:
                        return data
                await self._hear()

    async def _say(self, message: object) -> None:
        await self._socket.send_str(msgspec.json.encode(message).decode())

    async def _hear(self) -> None:
        """Take the next message."""
        frame = await self._socket.receive()
        if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise NoAnswerError(f"/ws/room closed the socket ({self._socket.close_code})")
        message: dict[str, Any] = msgspec.json.decode(frame.data)
        match message.get("type"):
            case "error":
                raise RefusedError(message["code"], message["message"])
            case "room":
                self.id, self.room = message["you"], message["room"]
                self.members = frozenset(member["id"] for member in message["members"])
            case "signal":
                self._heard.put_nowait((message["from"], message["data"]))
            case _:
                pass


@asynccontextmanager
async def _within(otherwise: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            yield
    except TimeoutError:
        raise NoAnswerError(f"/ws/room: {otherwise} within {ANSWER_TIMEOUT_S:g} s") from None


@asynccontextmanager
async def socket_to(visit: Visit, path: str) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    """Open a WebSocket as the station's own page does; raise NoAnswerError when it cannot be."""
    url = f"ws{visit.url.removeprefix('http')}{path}"
    shown = url.partition("?")[0]
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            socket = await visit.session.ws_connect(url, headers={"Origin": visit.url})
    except aiohttp.WSServerHandshakeError as error:
        raise NoAnswerError(f"{shown} answered {error.status} to a WebSocket") from error
    except (aiohttp.ClientError, OSError) as error:
        raise visit.no_answer(f"{visit.url}{path.partition('?')[0]}", error) from error
    try:
        yield socket
    finally:
        with suppress(aiohttp.ClientError, OSError):
            await socket.close()


@asynccontextmanager
async def member(visit: Visit, token: str) -> AsyncGenerator[Member]:
    """Be a member of a room."""
    async with socket_to(visit, "/ws/room") as socket:
        joining = Member(socket)
        await joining.join(token)
        yield joining

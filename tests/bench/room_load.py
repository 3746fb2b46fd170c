"""Many viewers that join rooms at almost the same time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.bench.tracker_load import HANDSHAKE_TIMEOUT_S, from_address, source

TIMEOUT_S = 30.0
"""after the last viewer has connected; viewers without a room count as refused then"""


class _Message(msgspec.Struct):
    """The fields of a message that a viewer reads."""

    type: str = ""
    code: str = ""


_decode = msgspec.json.Decoder(_Message).decode


@dataclass
class JoinStorm:
    """The results of a join storm."""

    waits_s: list[float] = field(default_factory=list[float])
    """from each viewer's start until it had a room"""
    refused: list[str] = field(default_factory=list[str])
    """the reason, for each viewer that got no room or lost its socket"""
    all_in_s: float = 0.0
    """from the first viewer's start until the last one had a room"""


class _Viewer(WSListener):
    """One viewer: joins, waits for its room, and then ignores messages."""

    def __init__(self, join: bytes) -> None:
        self.room_at = 0.0
        self.refused = ""
        self.answered = asyncio.Event()
        """set when it has a room, or was refused"""
        self._join = join
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.send(WSMsgType.TEXT, self._join)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self._refuse(f"closed with {frame.get_close_code()}")
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT and not self.answered.is_set():
            message = _decode(frame.get_payload_as_memoryview())
            if message.type == "room":
                self.room_at = time.perf_counter()
                self.answered.set()
            elif message.type == "error":
                self._refuse(message.code)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._refuse("disconnected")

    def disconnect(self) -> None:
        """Disconnect without a close frame."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _refuse(self, reason: str) -> None:
        self.refused = self.refused or reason
        self.answered.set()


async def storm(url: str, viewers: int, within_s: float, token: Callable[[], str]) -> JoinStorm:
    """Let `viewers` join at `url`, evenly within `within_s`; return the results."""
    started = time.perf_counter()
    deadline = asyncio.get_running_loop().time() + within_s + TIMEOUT_S

    async def join(number: int, due: float) -> _Viewer:
        await asyncio.sleep(due - time.perf_counter())
        message = {"type": "join", "plan_version": PLAN_VERSION, "variant": 0, "token": token()}
        viewer = _Viewer(msgspec.json.encode(message))
        try:
            async with asyncio.timeout_at(deadline):
                await ws_connect(
                    lambda: viewer,
                    url,
                    extra_headers=from_address(number),
                    websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                    local_addr=source(number),
                )
                await viewer.answered.wait()
        except (OSError, WSError, TimeoutError) as error:
            viewer.refused = viewer.refused or repr(error)
        return viewer

    dues = [started + number * within_s / viewers for number in range(viewers)]
    crowd = await asyncio.gather(*(join(number, due) for number, due in enumerate(dues)))
    joined = [(viewer, due) for viewer, due in zip(crowd, dues, strict=True) if not viewer.refused]
    result = JoinStorm(
        [viewer.room_at - due for viewer, due in joined],
        [viewer.refused for viewer in crowd if viewer.refused],
        max((viewer.room_at - started for viewer, _ in joined), default=0.0),
    )
    for viewer in crowd:
        viewer.disconnect()
    return result

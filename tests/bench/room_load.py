"""A crowd that comes to the rooms all at once."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.bench.tracker_load import HANDSHAKE_TIMEOUT_S, from_address, source

PATIENCE_S = 30.0
"""after the last viewer came: who has no room then gets none"""


class _Heard(msgspec.Struct):
    """What a viewer looks at of a message."""

    type: str = ""
    code: str = ""


_decode = msgspec.json.Decoder(_Heard).decode


@dataclass
class Storm:
    """How a crowd fared."""

    waits_s: list[float] = field(default_factory=list[float])
    """from when a viewer came until it had its room"""
    refused: list[str] = field(default_factory=list[str])
    """of each viewer that had no room or did not stay, why"""
    all_in_s: float = 0.0
    """from when the first viewer came until the last room"""


class _Viewer(WSListener):
    """One viewer: joins, waits for its room, and reads on."""

    def __init__(self, join: bytes) -> None:
        self.room_at_s = 0.0
        self.refused = ""
        self.has_answer = asyncio.Event()
        """that is its room, or the end"""
        self._join = join
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.send(WSMsgType.TEXT, self._join)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self._end(f"closed with {frame.get_close_code()}")
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT and not self.has_answer.is_set():
            heard = _decode(frame.get_payload_as_memoryview())
            if heard.type == "room":
                self.room_at_s = time.perf_counter()
                self.has_answer.set()
            elif heard.type == "error":
                self._end(heard.code)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end("the socket ended")

    def leave(self) -> None:
        """End the socket without a word."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _end(self, why: str) -> None:
        self.refused = self.refused or why
        self.has_answer.set()


async def storm(url: str, viewers: int, within_s: float, token: Callable[[], str]) -> Storm:
    """Let `viewers` come to the rooms at `url`, evenly within so many seconds."""
    begun = time.perf_counter()
    deadline = asyncio.get_running_loop().time() + within_s + PATIENCE_S

    async def come(number: int, due: float) -> _Viewer:
        await asyncio.sleep(due - time.perf_counter())
        join = {"type": "join", "plan_version": PLAN_VERSION, "variant": 0, "token": token()}
        viewer = _Viewer(msgspec.json.encode(join))
        try:
            async with asyncio.timeout_at(deadline):
                await ws_connect(
                    lambda: viewer,
                    url,
                    extra_headers=from_address(number),
                    websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                    local_addr=source(number),
                )
                await viewer.has_answer.wait()
        except (OSError, WSError, TimeoutError) as error:
            viewer.refused = viewer.refused or repr(error)
        return viewer

    dues = [begun + number * within_s / viewers for number in range(viewers)]
    crowd = await asyncio.gather(*(come(number, due) for number, due in enumerate(dues)))
    inside = [(viewer, due) for viewer, due in zip(crowd, dues, strict=True) if not viewer.refused]
    fared = Storm(
        [viewer.room_at_s - due for viewer, due in inside],
        [viewer.refused for viewer in crowd if viewer.refused],
        max((viewer.room_at_s - begun for viewer, _ in inside), default=0.0),
    )
    for viewer in crowd:
        viewer.leave()
    return fared

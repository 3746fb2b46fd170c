"""`/ws/room`: one WebSocket of one viewer. What it says goes to the hub; the hub puts its own."""

import asyncio
import logging
from collections.abc import Callable

from picows import WSCloseCode

from shoal.signaling.access import TokenVerdict
from shoal.signaling.metrics import FIGURES_REFUSED, ROOM_MESSAGES, ROOM_REFUSALS
from shoal.signaling.room_service import Hub
from shoal.signaling.rooms.messages import (
    BadMessageError,
    Join,
    MemberId,
    Refusal,
    Stats,
    decode,
    encode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.room import Seat
from shoal.signaling.websocket import Conversation, Socket

log = logging.getLogger("shoal.signaling")

JOIN_TIMEOUT_S = 10.0
WHY = {
    "missing": "the join lacks a token: /config.json has one",
    "invalid": "the join token is not one of this station",
    "expired": "the join token is too old: /config.json has a new one",
}
BARRED = "others received bad pieces from your address: come again in {:.0f} s"

TokenCheck = Callable[[str], TokenVerdict]


class RefusedError(Exception):
    """This viewer is told why, and its socket closed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RoomConversation(Conversation):
    """One viewer: until it joins, and then as a member."""

    def __init__(self, hub: Hub, address: str, check_token: TokenCheck, socket: Socket) -> None:
        """Let who joins from `address`, with a token that passes, into the hub's rooms."""
        self._address = address
        self._socket = socket
        self._hub = hub
        self._check_token = check_token
        self._member: MemberId | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(JOIN_TIMEOUT_S, self._too_late)

    def hear(self, message: bytes) -> None:
        """Do what the viewer asks for, or tell it why not and end."""
        try:
            self._hear(message)
        except RefusedError as refused:
            self._refuse(refused.code, str(refused))

    def over(self) -> None:
        """Leave."""
        self._timer.cancel()
        if self._member is not None:
            self._hub.leave(self._member)
        if self._socket.cut:
            ROOM_REFUSALS.labels("slow_reader").inc()
            log.warning("viewer %s cut off: it reads too slowly", self._member)

    def _hear(self, frame: bytes) -> None:
        try:
            message = decode(frame)
        except BadMessageError as error:
            raise RefusedError("bad_message", str(error)) from error
        kind = "unknown" if message is None else type(message).__name__.lower()
        ROOM_MESSAGES.labels(kind).inc()
        hub, member = self._hub, self._member
        match message:
            case Join():
                self._join(message)
            case _ if member is None:
                pass
            case Stats():
                refusal = hub.report(member, message)
                if refusal is not None:
                    FIGURES_REFUSED.labels(refusal).inc()
            case None:
                pass
            case _:
                hub.hear(member, message)

    def _join(self, join: Join) -> None:
        if self._member is not None:
            return
        if join.plan_version != PLAN_VERSION:
            raise RefusedError(
                "plan_version",
                f"this station plans by version {PLAN_VERSION}, not {join.plan_version}:"
                " load the page again",
            )
        verdict = self._check_token(join.token)
        if verdict != "ok":
            raise RefusedError(f"token_{verdict}", WHY[verdict])
        left_s = self._hub.barred.left_s(self._address, self._loop.time())
        if left_s > 0:
            raise RefusedError("barred", BARRED.format(left_s))
        if join.replay is not None and join.replay not in self._hub.programme.replays:
            raise RefusedError("unknown_replay", "this station has no such replay")
        self._timer.cancel()
        seat = Seat(join.variant, join.sharing, join.upload)
        self._member = self._hub.join(self._socket, seat, self._address, self._expel, join.replay)

    def _expel(self) -> None:
        self._hub.barred.add(self._address, self._loop.time())
        log.warning("viewer %s expelled: others received bad pieces from it", self._member)
        self._refuse("expelled", "others received bad pieces from you")

    def _too_late(self) -> None:
        self._refuse("join_timeout", f"no `join` within {JOIN_TIMEOUT_S:g} s")

    def _refuse(self, code: str, message: str) -> None:
        ROOM_REFUSALS.labels(code).inc()
        self._socket.put(encode(Refusal(code, message)))
        self._socket.end(WSCloseCode.POLICY_VIOLATION, code)

"""`/ws/room`: the protocol handler of one viewer's WebSocket, in front of the room service."""

import asyncio
import logging
from collections.abc import Callable

from picows import WSCloseCode

from shoal.signaling.access import TokenVerdict
from shoal.signaling.metrics import ROOM_MESSAGES, ROOM_REFUSALS, STATS_REFUSED
from shoal.signaling.room_service import RoomService
from shoal.signaling.rooms.messages import (
    BadMessageError,
    ErrorMessage,
    Join,
    Links,
    MemberId,
    Ready,
    Report,
    Signal,
    Stats,
    SwitchVariant,
    decode,
    encode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.websocket import Connection, WebSocket

log = logging.getLogger("shoal.signaling")

JOIN_TIMEOUT_S = 10.0
TOKEN_MESSAGES = {
    "missing": "the join has no token: get one from /config.json",
    "invalid": "the join token is not from this station",
    "expired": "the join token has expired: get a new one from /config.json",
}
METRIC_LABELS = {
    Join: "join",
    Signal: "signal",
    SwitchVariant: "switch",
    Links: "links",
    Report: "report",
    Ready: "ready",
    Stats: "stats",
    type(None): "unknown",
}
"""`type` of `shoal_room_messages`; public, so independent of the class names"""
BANNED_MESSAGE = "other viewers received bad pieces from your address: try again in {:.0f} s"

TokenCheck = Callable[[str], TokenVerdict]


class JoinRefusedError(Exception):
    """The viewer is told why, and its WebSocket closed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ViewerConnection(Connection):
    """One viewer: before it joins, and then as a member."""

    def __init__(
        self, room_service: RoomService, address: str, check_token: TokenCheck, websocket: WebSocket
    ) -> None:
        """Let a viewer from `address` join if its token passes."""
        self._address = address
        self._websocket = websocket
        self._room_service = room_service
        self._check_token = check_token
        self._member: MemberId | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(JOIN_TIMEOUT_S, self._time_out)

    def on_message(self, message: bytes) -> None:
        """Handle a message, or refuse it and close."""
        try:
            self._receive(message)
        except JoinRefusedError as refused:
            self._refuse(refused.code, str(refused))

    def on_closed(self) -> None:
        """Leave the room."""
        self._timer.cancel()
        if self._member is not None:
            self._room_service.leave(self._member)
        if self._websocket.reads_too_slowly:
            ROOM_REFUSALS.labels("slow_reader").inc()
            log.warning("viewer %s disconnected: it reads too slowly", self._member)

    def _receive(self, frame: bytes) -> None:
        try:
            message = decode(frame)
        except BadMessageError as error:
            raise JoinRefusedError("bad_message", str(error)) from error
        ROOM_MESSAGES.labels(METRIC_LABELS[type(message)]).inc()
        room_service, member = self._room_service, self._member
        match message:
            case Join():
                self._join(message)
            case _ if member is None:
                pass
            case Stats():
                refusal = room_service.report_stats(member, message)
                if refusal is not None:
                    STATS_REFUSED.labels(refusal).inc()
            case None:
                pass
            case _:
                room_service.receive(member, message)

    def _join(self, join: Join) -> None:
        if self._member is not None:
            return
        if join.plan_version != PLAN_VERSION:
            raise JoinRefusedError(
                "plan_version",
                f"this station uses plan version {PLAN_VERSION}, not {join.plan_version}:"
                " reload the page",
            )
        verdict = self._check_token(join.token)
        if verdict != "ok":
            raise JoinRefusedError(f"token_{verdict}", TOKEN_MESSAGES[verdict])
        banned_s = self._room_service.ban_list.remaining_s(self._address, self._loop.time())
        if banned_s > 0:
            raise JoinRefusedError("barred", BANNED_MESSAGE.format(banned_s))
        if join.replay is not None and join.replay not in self._room_service.broadcast.replays:
            raise JoinRefusedError("unknown_replay", "this station has no such replay")
        self._timer.cancel()
        state = MemberState(join.variant, join.sharing, join.upload)
        self._member = self._room_service.join(
            self._websocket, state, self._address, self._expel, join.replay
        )

    def _expel(self) -> None:
        self._room_service.ban_list.add(self._address, self._loop.time())
        log.warning("viewer %s expelled: other viewers received bad pieces from it", self._member)
        self._refuse("expelled", "other viewers received bad pieces from you")

    def _time_out(self) -> None:
        self._refuse("join_timeout", f"no `join` within {JOIN_TIMEOUT_S:g} s")

    def _refuse(self, code: str, message: str) -> None:
        ROOM_REFUSALS.labels(code).inc()
        self._websocket.send(encode(ErrorMessage(code, message)))
        self._websocket.close(WSCloseCode.POLICY_VIOLATION, code)

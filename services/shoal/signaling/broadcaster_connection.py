"""`/broadcaster`: the WebSocket on which the broadcaster announces what it published.

It lies outside the public routes, and only the bearer of the broadcaster's token is let in. When a
second broadcaster comes, the first is closed. When the broadcaster goes, viewers are told nothing:
the stream may well go on, only a `Stream` says otherwise.
"""

import asyncio
import logging

import msgspec
from picows import WSCloseCode

from shoal.aio import coalesced
from shoal.announcements import (
    Audience,
    FromBroadcaster,
    Replays,
    Segment,
    Stream,
    Swarms,
    ToBroadcaster,
)
from shoal.signaling.room_service import Hub
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.served_torrents import Admission
from shoal.signaling.websocket import Conversation, Socket

log = logging.getLogger("shoal.signaling")

AUDIENCE_INTERVAL_S = 0.25

_announcements = msgspec.json.Decoder[FromBroadcaster](FromBroadcaster)
_encoder = msgspec.json.Encoder()


class BroadcasterConversation(Conversation):
    """One broadcaster, until it goes or another one takes over."""

    def __init__(self, hub: Hub, admission: Admission, socket: Socket) -> None:
        """Pass what it announces to the hub, and its swarms to the tracker's `admission`."""
        self._socket = socket
        self._hub = hub
        self._admission = admission
        before = hub.listen_to(socket)
        if before is not None:
            log.warning("another broadcaster connected: the one before is closed")
            before.end(WSCloseCode.POLICY_VIOLATION, "another broadcaster connected")
        socket.put(_encode(hub.programme.resume()))
        self._telling = asyncio.create_task(self._tell_audience())

    def hear(self, message: bytes) -> None:
        """Take an announcement; what is none ends the socket."""
        try:
            announcement: FromBroadcaster = _announcements.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("the broadcaster is disconnected, it sent no announcement: %s", error)
            self._socket.end(WSCloseCode.POLICY_VIOLATION, "no announcement")
            return
        announce(announcement, self._hub, self._admission)
        self._hub.spread(announcement)

    def over(self) -> None:
        """Take note that it went."""
        self._telling.cancel()
        if self._hub.broadcaster is self._socket:
            self._hub.listen_to(None)

    async def _tell_audience(self) -> None:
        told: Audience | None = None
        with self._hub.watching() as changed:
            async for _ in coalesced(changed, AUDIENCE_INTERVAL_S):
                totals = self._hub.totals()
                audience = Audience(totals.viewers, totals.peers, totals.uploaded)
                if audience != told:
                    told = audience
                    self._socket.put(_encode(audience))


def _encode(message: ToBroadcaster) -> bytes:
    return _encoder.encode(message)


def announce(what: FromBroadcaster, hub: Hub, admission: Admission) -> None:
    """Take an announcement, heard from the broadcaster or from another signaling process."""
    match what:
        case Stream():
            hub.stream(what)
        case Segment(descriptor):
            hub.segment(descriptor)
        case Replays(replays):
            hub.programme.keep(replays)
        case Swarms(info_hashes, torrents):
            admission.go_live([InfoHash(text) for text in info_hashes])
            admission.keep([InfoHash(text) for text in torrents])

"""`/broadcaster`: the WebSocket on which the broadcaster announces what it has published.

It is outside the public routes, and requires the broadcaster's bearer token. A second broadcaster
closes the connection of the first. When the broadcaster disconnects, viewers are told nothing: the
stream may well continue, and only a `Stream` announcement says otherwise.
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
from shoal.signaling.room_service import RoomService
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.served_torrents import ServedTorrents
from shoal.signaling.websocket import Connection, WebSocket

log = logging.getLogger("shoal.signaling")

AUDIENCE_INTERVAL_S = 0.25

_decoder = msgspec.json.Decoder[FromBroadcaster](FromBroadcaster)
_encoder = msgspec.json.Encoder()


class BroadcasterConnection(Connection):
    """The connection of one broadcaster, until it closes or another broadcaster takes over."""

    def __init__(
        self, room_service: RoomService, served_torrents: ServedTorrents, websocket: WebSocket
    ) -> None:
        """Apply announcements to the room service, and swarms to `served_torrents`."""
        self._websocket = websocket
        self._room_service = room_service
        self._served_torrents = served_torrents
        previous = room_service.set_broadcaster(websocket)
        if previous is not None:
            log.warning("another broadcaster connected: closing the previous one")
            previous.close(WSCloseCode.POLICY_VIOLATION, "another broadcaster connected")
        websocket.send(_encode(room_service.broadcast.resume()))
        self._audience_task = asyncio.create_task(self._send_audience())

    def on_message(self, message: bytes) -> None:
        """Apply an announcement; an invalid one closes the WebSocket."""
        try:
            announcement: FromBroadcaster = _decoder.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("the broadcaster sent an invalid announcement, disconnecting it: %s", error)
            self._websocket.close(WSCloseCode.POLICY_VIOLATION, "invalid announcement")
            return
        apply_announcement(announcement, self._room_service, self._served_torrents)
        self._room_service.replicate(announcement)

    def on_closed(self) -> None:
        """Unregister the broadcaster."""
        self._audience_task.cancel()
        if self._room_service.broadcaster is self._websocket:
            self._room_service.set_broadcaster(None)

    async def _send_audience(self) -> None:
        sent: Audience | None = None
        with self._room_service.watching() as changed:
            async for _ in coalesced(changed, AUDIENCE_INTERVAL_S):
                totals = self._room_service.totals()
                audience = Audience(totals.viewers, totals.peers, totals.uploaded)
                if audience != sent:
                    sent = audience
                    self._websocket.send(_encode(audience))


def _encode(message: ToBroadcaster) -> bytes:
    return _encoder.encode(message)


def apply_announcement(
    announcement: FromBroadcaster, room_service: RoomService, served_torrents: ServedTorrents
) -> None:
    """Apply an announcement of the broadcaster, received here or from another node."""
    match announcement:
        case Stream():
            room_service.set_stream(announcement)
        case Segment(descriptor):
            room_service.publish(descriptor)
        case Replays(replays):
            room_service.broadcast.set_replays(replays)
        case Swarms(info_hashes, torrents):
            served_torrents.add_live_swarms([InfoHash(text) for text in info_hashes])
            served_torrents.add_replay_torrents([InfoHash(text) for text in torrents])

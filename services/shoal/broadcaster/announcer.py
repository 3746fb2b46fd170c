"""Tells signaling what is on air and which segments there are, in order, over restarts of both."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from shoal.aio import until_first_ends
from shoal.announcements import (
    Audience,
    FromBroadcaster,
    Replays,
    Resume,
    Segment,
    Stream,
    Swarms,
    ToBroadcaster,
)
from shoal.backoff import Backoff
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.viewer_log import RoomLines

log = logging.getLogger("shoal.broadcaster")

HEARTBEAT_S = 10.0
RECONNECT_FIRST_S = 0.25
RECONNECT_MAX_S = 5.0
RECENT_SEGMENTS = 6
"""what a signaling that knows nothing of a rendition is told of its past"""


class Announcer:
    """The broadcaster's socket to signaling.

    It keeps no queue: what signaling lacks is read from the timeline, so that nothing is lost or
    told twice when either side restarts.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeline: Timeline,
        stream: Callable[[], Stream],
        others: Callable[[], Sequence[Swarms | Replays]],
    ) -> None:
        """Announce to signaling at `url` (http); `stream()` says what is on air, `others()` what
        else there is."""
        self._url = f"{url}/broadcaster"
        self._token = token
        self._timeline = timeline
        self._stream = stream
        self._others = others
        self._changed = asyncio.Event()
        self.connected = False
        self.fault: str | None = None
        """why there is no connection, None while there is one"""
        self.room_peers = 0
        self._lines = RoomLines()

    def changed(self) -> None:
        """Say that the timeline or the stream may have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MAX_S)
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    headers = {"Authorization": f"Bearer {self._token}"}
                    async with session.ws_connect(
                        self._url, headers=headers, heartbeat=HEARTBEAT_S
                    ) as socket:
                        await self._talk(socket)
                        self.fault = f"signaling at {self._url} closed the connection"
                    backoff.reset()
                except aiohttp.WSServerHandshakeError as error:
                    hint = ": mend broadcaster_token" if error.status == 401 else ""
                    self.fault = f"signaling at {self._url} answered {error.status}{hint}"
                except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
                    self.fault = f"cannot talk to signaling at {self._url}: {error}"
                finally:
                    self.connected = False
                    self.room_peers = 0
                await backoff.wait()

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise aiohttp.ClientError("it closed the connection before it said where to resume")
        first = msgspec.json.decode(frame.data, type=ToBroadcaster)
        if not isinstance(first, Resume):
            raise aiohttp.ClientError(f"expected resume first, got {first!r}")
        self.connected, self.fault = True, None
        log.info("connected to signaling at %s", self._url)
        await until_first_ends(self._send(socket, dict(first.after)), self._listen(socket))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                said = msgspec.json.decode(frame.data, type=ToBroadcaster)
                if isinstance(said, Audience):
                    self.room_peers = said.room_peers
                    for line in self._lines.said(said, self._newest_name(), time.monotonic()):
                        log.info(line)

    def _newest_name(self) -> str:
        names = [d.name for r in self._timeline.renditions.values() for d in r.descriptors()[-1:]]
        return names[0] if names else "the room"

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, sent: dict[int, int]) -> None:
        """Send what is on air and every segment above `sent` (media sequence by rendition)."""
        told: list[Stream | Swarms | Replays] = []
        while True:
            self._changed.clear()
            now = [self._stream(), *self._others()]
            for message in now:
                if message not in told:
                    await _send(socket, message)
            told = now
            for variant, rendition in sorted(self._timeline.renditions.items()):
                after = sent.get(variant)
                recent = rendition.descriptors()[-RECENT_SEGMENTS:]
                for descriptor in recent if after is None else rendition.descriptors(after):
                    await _send(socket, Segment(descriptor))
                    sent[variant] = descriptor.sequence
            await self._changed.wait()


async def _send(socket: aiohttp.ClientWebSocketResponse, message: FromBroadcaster) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())

"""Announces the stream and its segments to signaling, in order, across restarts of both."""

import logging
import time

import aiohttp
import msgspec

from shoal.aio import Changes, until_first_ends
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
from shoal.broadcaster.on_air import OnAir
from shoal.broadcaster.recordings.service import NoReplays, ReplayService
from shoal.broadcaster.response_cache import ResponseCache
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.viewer_log import ViewerLog
from shoal.p2p_media_loader import SWARM_ID, info_hashes

log = logging.getLogger("shoal.broadcaster")

HEARTBEAT_S = 10.0
RECONNECT_FIRST_S = 0.25
RECONNECT_MAX_S = 5.0
RECENT_SEGMENTS = 6
"""how many past segments signaling gets of a variant that it knows nothing about"""


class Announcer:
    """The broadcaster's WebSocket to signaling.

    It has no queue: what signaling lacks is read from the timeline, so that nothing is lost or sent
    twice when either side restarts.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeline: Timeline,
        on_air: OnAir,
        cache: ResponseCache,
        replays: ReplayService | NoReplays,
        changes: Changes,
    ) -> None:
        """Announce to signaling at `url` (http) whatever `changes`."""
        self._url = f"{url}/broadcaster"
        self._token = token
        self._timeline = timeline
        self._on_air = on_air
        self._cache = cache
        self._replays = replays
        self._changes = changes
        self.connected = False
        self.fault: str | None = None
        """why there is no connection, None while there is one"""
        self.room_peers = 0
        self._viewer_log = ViewerLog()

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
                        await self._run_connection(socket)
                        self.fault = f"signaling at {self._url} closed the connection"
                    backoff.reset()
                except aiohttp.WSServerHandshakeError as error:
                    hint = ": correct broadcaster_token" if error.status == 401 else ""
                    self.fault = f"signaling at {self._url} answered {error.status}{hint}"
                except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
                    self.fault = f"cannot connect to signaling at {self._url}: {error}"
                finally:
                    self.connected = False
                    self.room_peers = 0
                await backoff.wait()

    async def _run_connection(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise aiohttp.ClientError("connection closed before the resume message")
        first = msgspec.json.decode(frame.data, type=ToBroadcaster)
        if not isinstance(first, Resume):
            raise aiohttp.ClientError(f"the first message must be resume, got {first!r}")
        self.connected, self.fault = True, None
        log.info("connected to signaling at %s", self._url)
        await until_first_ends(self._send_new(socket, dict(first.after)), self._receive(socket))

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                message = msgspec.json.decode(frame.data, type=ToBroadcaster)
                if isinstance(message, Audience):
                    self.room_peers = message.room_peers
                    for line in self._viewer_log.lines(
                        message, self._newest_name(), time.monotonic()
                    ):
                        log.info(line)

    def _newest_name(self) -> str:
        names = [d.name for w in self._timeline.windows.values() for d in w.descriptors()[-1:]]
        return names[0] if names else "the room"

    async def _send_new(
        self, socket: aiohttp.ClientWebSocketResponse, last_sent: dict[int, int]
    ) -> None:
        """Send the stream, and every segment above `last_sent` (media sequence by variant)."""
        known: list[Stream | Swarms | Replays] = []
        while True:
            change = self._changes.next
            current = [self._stream(), self._swarms(), Replays(self._replays.shared)]
            for message in current:
                if message not in known:
                    await _send(socket, message)
            known = current
            for variant, window in sorted(self._timeline.windows.items()):
                after = last_sent.get(variant)
                recent = window.descriptors()[-RECENT_SEGMENTS:]
                for descriptor in recent if after is None else window.descriptors(after):
                    await _send(socket, Segment(descriptor))
                    last_sent[variant] = descriptor.sequence
            await change.wait()

    def _stream(self) -> Stream:
        return Stream(self._timeline.newest_stream, self._on_air.live)

    def _swarms(self) -> Swarms:
        playlist = self._cache.playlist()
        text = playlist.plain.decode() if playlist is not None else ""
        live = sorted(info_hashes(SWARM_ID, text))
        return Swarms(tuple(live), tuple(self._replays.torrents))


async def _send(socket: aiohttp.ClientWebSocketResponse, message: FromBroadcaster) -> None:
    await socket.send_str(msgspec.json.encode(message).decode())

"""Stands between libtorrent and the tracker, and says goodbye for libtorrent.

libtorrent 2.1.1 tells a WebSocket tracker nothing when a torrent is removed, and keeps what it had
allocated for each torrent, 6 KB, until the tracker names the torrent once more or the connection
ends. So it announces to a tracker of our own, which passes everything on to the real one; of a
torrent that is gone, that one hears `stopped`, and libtorrent the torrent's name.
"""

import asyncio
import secrets
import socket
from contextlib import suppress

import aiohttp
import msgspec
from aiohttp import WSMsgType, web

HEARTBEAT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
MAX_MESSAGE_BYTES = 1024 * 1024
"""an announce with 30 offers takes 50 KB"""

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class _Said(msgspec.Struct):
    """What matters in an announce or an answer; 20 bytes each, as Latin-1."""

    info_hash: str
    peer_id: str


_said = msgspec.json.Decoder(_Said)


class _Line:
    """One connection of libtorrent's, and ours to the tracker for it."""

    def __init__(
        self, libtorrent: web.WebSocketResponse, tracker: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._libtorrent = libtorrent
        self._tracker = tracker
        self._peer_ids: dict[str, str] = {}
        """libtorrent's in each swarm, by infohash"""

    async def carry(self) -> None:
        """Pass messages on until one side ends."""
        ways = [
            asyncio.create_task(self._pass_on(self._libtorrent, self._tracker)),
            asyncio.create_task(self._pass_on(self._tracker, self._libtorrent)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def forget(self, info_hash: str) -> None:
        """Take libtorrent out of a swarm, if it is in."""
        peer_id = self._peer_ids.pop(info_hash, None)
        if peer_id is not None:
            named = {"action": "announce", "info_hash": info_hash}
            await self._tracker.send_json({**named, "event": "stopped", "peer_id": peer_id})
            await self._libtorrent.send_json(named)

    async def _pass_on(self, one: Socket, other: Socket) -> None:
        async for message in one:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if one is self._libtorrent:
                said = _said.decode(message.data)
                self._peer_ids[said.info_hash] = said.peer_id
            data = message.data
            await other.send_str(data if isinstance(data, str) else data.decode())


class Relay:
    """A tracker for libtorrent alone, on loopback."""

    def __init__(self, tracker_url: str) -> None:
        """Be there at `url` for the tracker at `tracker_url`; raises OSError without a free port.

        Connections are answered by `run`.
        """
        self._tracker_url = tracker_url
        self._lines: set[_Line] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        # who shows the tracker the seeder's token is trusted: nobody else on this host may use ours
        self._path = f"/{secrets.token_urlsafe(16)}"
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}{self._path}"

    async def forget(self, infohash: str) -> None:
        """Say goodbye for a torrent (hex) that libtorrent no longer has; else its memory stays."""
        for line in tuple(self._lines):
            # a connection that has ended has forgotten all of its torrents
            with suppress(aiohttp.ClientError, OSError):
                await line.forget(bytes.fromhex(infohash).decode("latin-1"))

    async def run(self) -> None:
        """Pass messages on until cancelled."""
        app = web.Application()
        app.router.add_get(self._path, self._connected)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        libtorrent = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        async with aiohttp.ClientSession() as session:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    tracker = await session.ws_connect(
                        self._tracker_url, heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES
                    )
            except (aiohttp.ClientError, OSError, TimeoutError):
                return web.Response(status=502)
            async with tracker:
                await libtorrent.prepare(request)
                line = _Line(libtorrent, tracker)
                self._lines.add(line)
                try:
                    await line.carry()
                finally:
                    self._lines.discard(line)
        await libtorrent.close()
        return libtorrent

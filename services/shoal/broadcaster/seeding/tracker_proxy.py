"""A proxy between libtorrent and the tracker that sends `stopped` on libtorrent's behalf.

libtorrent 2.1.1 does not tell a WebSocket tracker when a torrent is removed, and keeps what it
allocated for each torrent, 6 KB, until the tracker names the torrent once more or the connection
ends. So it announces to this proxy, which forwards everything to the real tracker. When a torrent
is removed, the proxy sends `stopped` to the tracker and the torrent's name to libtorrent.
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


class _Announce(msgspec.Struct):
    """The fields of an announce or an answer that we need; 20 bytes each, as Latin-1."""

    info_hash: str
    peer_id: str


_announces = msgspec.json.Decoder(_Announce)


class _ProxyConnection:
    """One connection of libtorrent's, and ours to the tracker on its behalf."""

    def __init__(
        self, libtorrent: web.WebSocketResponse, tracker: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._libtorrent = libtorrent
        self._tracker = tracker
        self._peer_ids: dict[str, str] = {}
        """libtorrent's peer id in each swarm, by infohash"""

    async def run(self) -> None:
        """Forward messages until one side closes."""
        directions = [
            asyncio.create_task(self._forward(self._libtorrent, self._tracker)),
            asyncio.create_task(self._forward(self._tracker, self._libtorrent)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def leave(self, info_hash: str) -> None:
        """Take libtorrent out of a swarm, if it is in it."""
        peer_id = self._peer_ids.pop(info_hash, None)
        if peer_id is not None:
            announce = {"action": "announce", "info_hash": info_hash}
            await self._tracker.send_json({**announce, "event": "stopped", "peer_id": peer_id})
            await self._libtorrent.send_json(announce)

    async def _forward(self, source: Socket, target: Socket) -> None:
        async for message in source:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if source is self._libtorrent:
                announce = _announces.decode(message.data)
                self._peer_ids[announce.info_hash] = announce.peer_id
            data = message.data
            await target.send_str(data if isinstance(data, str) else data.decode())


class TrackerProxy:
    """A tracker for libtorrent alone, on loopback."""

    def __init__(self, tracker_url: str) -> None:
        """Listen at `url` for the tracker at `tracker_url`. Raises OSError without a free port.

        `run` answers the connections.
        """
        self._tracker_url = tracker_url
        self._connections: set[_ProxyConnection] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        # the tracker trusts the seeder's token: other users of this host must not borrow ours
        self._path = f"/{secrets.token_urlsafe(16)}"
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}{self._path}"

    async def leave(self, infohash: str) -> None:
        """Leave the swarm of a torrent (hex) that libtorrent has removed, and free its memory."""
        for connection in tuple(self._connections):
            # a connection that has ended has left all of its swarms
            with suppress(aiohttp.ClientError, OSError):
                await connection.leave(bytes.fromhex(infohash).decode("latin-1"))

    async def run(self) -> None:
        """Forward messages until cancelled."""
        app = web.Application()
        app.router.add_get(self._path, self._on_connection)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _on_connection(self, request: web.Request) -> web.StreamResponse:
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
                connection = _ProxyConnection(libtorrent, tracker)
                self._connections.add(connection)
                try:
                    await connection.run()
                finally:
                    self._connections.discard(connection)
        await libtorrent.close()
        return libtorrent

"""`/api/events`: live statistics for the operator, as server-sent events.

`station` is the body of `/api/station`, every 2 s. `history` has the rows after `?after=`: first
the existing ones, then each new one. `rooms` is signaling's `/rooms`, with the topology of
`?room=`, whenever it changes; null while signaling does not respond.
"""

import asyncio
from collections.abc import AsyncIterator
from math import isfinite

import msgspec
from aiohttp import web

from shoal.api_types import HistoryColumns
from shoal.auth import has_bearer_token
from shoal.site.station import Station
from shoal.web import error_response

INTERVAL_S = 2.0
NULL = b"null"

HEADERS = {
    "Content-Type": "text/event-stream",
    # proxies must not compress or buffer the stream: that would delay events
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}

STOPPING = web.AppKey("stopping", asyncio.Event)


def add_events(app: web.Application, station_key: web.AppKey[Station], token: str) -> None:
    """Serve the stream to the bearer of the operator's `token` until the application stops."""

    async def events(request: web.Request) -> web.StreamResponse:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        after = _parse_time(request.query.get("after", "0"))
        if after is None:
            return error_response(
                400,
                "bad_after",
                "`after` must be a Unix time in seconds, such as ?after=1900000000",
            )
        stopping = request.app[STOPPING]
        source = _EventSource(request.app[station_key], after, request.query.get("room"))
        response = web.StreamResponse(headers=HEADERS)
        try:
            await response.prepare(request)
            while not stopping.is_set():
                async for name, data in source.due_events():
                    await response.write(b"event: %s\ndata: %s\n\n" % (name, data))
                await _wait(stopping)
        except ConnectionError:
            pass  # the client disconnected
        return response

    async def stop(app: web.Application) -> None:
        app[STOPPING].set()

    async def prepare(app: web.Application) -> None:
        app[STOPPING] = asyncio.Event()

    app.on_startup.append(prepare)
    app.on_shutdown.append(stop)
    app.router.add_get("/api/events", events)


class _EventSource:
    """Produces the events of one client, from what it has already been sent."""

    def __init__(self, station: Station, after: float, room: str | None) -> None:
        self._station = station
        self._after = after
        self._room = {} if room is None else {"room": room}
        self._rooms = b""

    async def due_events(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield the name and data of each event that is due."""
        yield b"station", msgspec.json.encode(await self._station.stats())
        history = await self._station.get_from_signaling("/history", {"after": f"{self._after}"})
        if history is not None:
            rows = msgspec.json.decode(history.body, type=HistoryColumns)
            if rows.at:
                self._after = rows.at[-1]
                yield b"history", history.body
        response = await self._station.get_from_signaling("/rooms", self._room)
        rooms = NULL if response is None else response.body
        if rooms != self._rooms:
            self._rooms = rooms
            yield b"rooms", rooms


def _parse_time(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


async def _wait(stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), INTERVAL_S)
    except TimeoutError:
        return

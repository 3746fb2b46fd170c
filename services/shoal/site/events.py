"""`/api/events`: the operator's figures as they change, as server-sent events.

`station` is what `/api/station` answers, every 2 s; `history` are the rows after `?after=`, first
those that there are and then each new one; `rooms` is signaling's `/rooms` with the picture of
`?room=`, whenever it has changed, null while signaling does not answer.
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
    # what compresses or gathers it on the way would hold events back
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}

STOPPING = web.AppKey("stopping", asyncio.Event)


def add_events(app: web.Application, station: web.AppKey[Station], token: str) -> None:
    """Serve the stream to the bearer of the operator's `token`, until the application stops."""

    async def events(request: web.Request) -> web.StreamResponse:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        after = _time(request.query.get("after", "0"))
        if after is None:
            return error_response(
                400, "bad_after", "`after` must be a Unix time in seconds, as in ?after=1900000000"
            )
        stopping = request.app[STOPPING]
        sent = _Sent(request.app[station], after, request.query.get("room"))
        response = web.StreamResponse(headers=HEADERS)
        try:
            await response.prepare(request)
            while not stopping.is_set():
                async for name, data in sent.news():
                    await response.write(b"event: %s\ndata: %s\n\n" % (name, data))
                await _wait(stopping)
        except ConnectionError:
            pass  # it has gone
        return response

    async def stop(app: web.Application) -> None:
        app[STOPPING].set()

    async def prepare(app: web.Application) -> None:
        app[STOPPING] = asyncio.Event()

    app.on_startup.append(prepare)
    app.on_shutdown.append(stop)
    app.router.add_get("/api/events", events)


class _Sent:
    """What one reader has been sent, so that it is told of what is new."""

    def __init__(self, station: Station, after: float, room: str | None) -> None:
        self._station = station
        self._after = after
        self._room = {} if room is None else {"room": room}
        self._rooms = b""

    async def news(self) -> AsyncIterator[tuple[bytes, bytes]]:
        """Yield the names and the data of the events that are due."""
        yield b"station", msgspec.json.encode(await self._station.figures())
        history = await self._station.ask_signaling("/history", {"after": f"{self._after}"})
        if history is not None:
            rows = msgspec.json.decode(history.body, type=HistoryColumns)
            if rows.at:
                self._after = rows.at[-1]
                yield b"history", history.body
        answer = await self._station.ask_signaling("/rooms", self._room)
        rooms = NULL if answer is None else answer.body
        if rooms != self._rooms:
            self._rooms = rooms
            yield b"rooms", rooms


def _time(text: str) -> float | None:
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

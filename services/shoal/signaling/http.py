"""`/history`, `/viewers` and `/rooms`, for this host only: the site passes the stats on."""

import asyncio
import time
from collections.abc import AsyncIterator
from math import isfinite

import msgspec
from aiohttp import web

from shoal.signaling.room_service import RoomService
from shoal.signaling.stats.history import STEP_S, History
from shoal.web import error_response, json_body

TIMER_TOLERANCE_S = 0.1
"""by the wall clock, the loop's timer may fire this long before the end of a step"""


def add_routes(app: web.Application, service_key: web.AppKey[RoomService]) -> None:
    """Add the routes, for the room service in `app`, and record its history while the app runs."""
    history = History()

    async def record_while_running(app: web.Application) -> AsyncIterator[None]:
        recording = asyncio.create_task(_record_history(history, app[service_key]))
        try:
            yield
        finally:
            recording.cancel()
            await asyncio.wait({recording})

    async def get_history(request: web.Request) -> web.Response:
        try:
            after = float(request.query.get("after", "0"))
            if not isfinite(after):
                raise ValueError
        except ValueError:
            return error_response(
                400, "bad_after", "`after` must be a Unix time in seconds, as in ?after=1900000000"
            )
        return json_body(msgspec.json.encode(history.after(after)))

    async def get_viewers(request: web.Request) -> web.Response:
        return json_body(msgspec.json.encode(request.app[service_key].viewers_view()))

    async def get_rooms(request: web.Request) -> web.Response:
        view = request.app[service_key].rooms_view(request.query.get("room"))
        return json_body(msgspec.json.encode(view))

    app.router.add_get("/history", get_history)
    app.router.add_get("/viewers", get_viewers)
    app.router.add_get("/rooms", get_rooms)
    app.cleanup_ctx.append(record_while_running)


async def _record_history(history: History, room_service: RoomService) -> None:
    """Record a row at the end of each step; runs until cancelled."""
    while True:
        await asyncio.sleep(STEP_S - time.time() % STEP_S)
        history.record(time.time() + TIMER_TOLERANCE_S, room_service.totals(), room_service.rooms)

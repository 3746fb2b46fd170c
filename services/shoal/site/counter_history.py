"""`/api/counters`: the station's counters, sampled once a minute and kept for 24 hours."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import msgspec
from aiohttp import web

from shoal.api_types import CounterHistory, CounterSample
from shoal.auth import has_bearer_token
from shoal.site.station import Station
from shoal.web import error_response, json_body

FIRST_AFTER_S = 5.0
"""time for the other services to start, since all start together"""
STEP_S = 60.0
STEPS = 24 * 60 + 1


def add_counter_history(app: web.Application, station_key: web.AppKey[Station], token: str) -> None:
    """Sample the counters while the application runs; serve them to the bearer of `token`."""
    rows: deque[CounterSample] = deque(maxlen=STEPS)

    async def get_counters(request: web.Request) -> web.Response:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        station = request.app[station_key]
        history = CounterHistory(await station.start_times(), [*rows, await station.counters()])
        return json_body(msgspec.json.encode(history))

    async def sample_while_running(app: web.Application) -> AsyncIterator[None]:
        sampling = asyncio.create_task(_sample(app[station_key], rows.append))
        try:
            yield
        finally:
            sampling.cancel()
            await asyncio.wait({sampling})

    app.router.add_get("/api/counters", get_counters)
    app.cleanup_ctx.append(sample_while_running)


async def _sample(station: Station, append: Callable[[CounterSample], None]) -> None:
    """Append a sample every minute, until cancelled."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        append(await station.counters())
        await asyncio.sleep(STEP_S)

"""What the counters said, once a minute for 24 hours: the past of figures that only add up."""

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
"""the other services start when this one does"""
STEP_S = 60.0
STEPS = 24 * 60 + 1


def add_ledger(app: web.Application, station: web.AppKey[Station], token: str) -> None:
    """Keep the ledger while the application runs; show it to the bearer of the token."""
    rows: deque[CounterSample] = deque(maxlen=STEPS)

    async def get_counters(request: web.Request) -> web.Response:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        asked = request.app[station]
        counters = CounterHistory(await asked.started(), [*rows, await asked.counts()])
        return json_body(msgspec.json.encode(counters))

    async def keep(app: web.Application) -> AsyncIterator[None]:
        keeping = asyncio.create_task(_keep(app[station], rows.append))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    app.router.add_get("/api/counters", get_counters)
    app.cleanup_ctx.append(keep)


async def _keep(station: Station, write: Callable[[CounterSample], None]) -> None:
    """Write a row a minute; runs until cancelled."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        write(await station.counts())
        await asyncio.sleep(STEP_S)

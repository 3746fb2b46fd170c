"""A stand-in for Cloudflare's GraphQL endpoint. It answers one query, as documented.

It has never been compared with the real endpoint.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from shoal.web import start
from tests.integration.signaling_station import free_url

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class CloudflareStandIn:
    """One zone, with the bytes that its edge has sent by hostname."""

    def __init__(self, zone: str, token: str) -> None:
        self.url = free_url()
        self.zone = zone
        self.token = token
        self.sent: dict[str, int] = {}
        self.sample_interval = 1.0
        self.asked: list[dict[str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a query for the bytes sent from one hostname."""
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"data": None, "errors": [{"message": "unknown"}]}, status=401)
        body = await request.json()
        asked = body["variables"]
        self.asked.append(asked)
        wanted = ("httpRequestsAdaptiveGroups", "edgeResponseBytes", "clientRequestHTTPHost")
        if not all(word in body["query"] for word in wanted) or not (
            TIME.fullmatch(asked["since"]) and TIME.fullmatch(asked["until"])
        ):
            error = {"message": "unknown query", "path": None}
            return web.json_response({"data": None, "errors": [error]})
        zones: list[dict[str, Any]] = []
        if asked["zone"] == self.zone:
            groups = [
                {
                    "count": 12,
                    "sum": {"edgeResponseBytes": size},
                    "avg": {"sampleInterval": self.sample_interval},
                }
                for host, size in self.sent.items()
                if host == asked["host"]
            ]
            zones.append({"sent": groups})
        return web.json_response({"data": {"viewer": {"zones": zones}}, "errors": None})


@asynccontextmanager
async def cloudflare_stand_in(zone: str, token: str) -> AsyncGenerator[CloudflareStandIn]:
    """Run the stand-in on loopback."""
    standing_in = CloudflareStandIn(zone, token)
    app = web.Application()
    app.router.add_post("/", standing_in.answer)
    runner = await start(app, "cloudflare", standing_in.url)
    try:
        yield standing_in
    finally:
        await runner.cleanup()

"""The site: the player's pages, its configuration, and the station's statistics."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from shoal.auth import has_bearer_token, host_name, issue_join_token
from shoal.config.settings import SiteSettings
from shoal.site.configuration import player_config
from shoal.site.counter_history import add_counter_history
from shoal.site.events import add_events
from shoal.site.operator_api import add_operator_api
from shoal.site.pages import STATIC, add_pages
from shoal.site.station import Station, public_station
from shoal.site.station_metadata import MetadataReader
from shoal.web import application, cors_headers, error_response, json_body, serve

STATION = web.AppKey("station", Station)
METADATA = web.AppKey("metadata", MetadataReader)


def site(settings: SiteSettings, static: Path = STATIC) -> web.Application:
    """Return the site's application. Raises OperatorError if the player is not built."""
    token = settings.operator_token.get_secret_value()
    join_secret = settings.join_secret.get_secret_value()

    async def config_json(request: web.Request) -> web.Response:
        host = host_name(request.host)
        join_token = issue_join_token(join_secret, host, time.time())
        metadata = await request.app[METADATA].metadata()
        config = player_config(settings, metadata, join_token)
        return with_cors(request, json_body(msgspec.json.encode(config)))

    async def station(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        if authorization is not None and not has_bearer_token(authorization, token):
            return error_response(401, "unauthorized", "this is not the operator's token")
        stats = await request.app[STATION].stats()
        body = stats if authorization else public_station(stats)
        return with_cors(request, json_body(msgspec.json.encode(body)))

    def with_cors(request: web.Request, response: web.Response) -> web.Response:
        """Let pages of the sites that embed the player read the response."""
        origin = request.headers.get("Origin")
        response.headers.update(cors_headers(settings.embed_origins, origin))
        return response

    async def with_station(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            app[STATION] = Station(settings, session)
            app[METADATA] = MetadataReader(settings, session)
            yield

    app = application("site")
    app.cleanup_ctx.append(with_station)  # first: the others use it
    add_pages(app, static, settings, METADATA)
    app.router.add_get("/config.json", config_json)
    app.router.add_get("/api/station", station)
    add_operator_api(app, STATION, token)
    add_events(app, STATION, token)
    add_counter_history(app, STATION, token)
    app.router.add_get("/health", _health)
    return app


async def run(settings: SiteSettings) -> None:
    """Serve until SIGTERM."""
    await serve(site(settings), "site", settings.site_url)


async def _health(_request: web.Request) -> web.Response:
    return json_body(b'{"status":"ok"}')

"""The site: the player's pages, its configuration, and the station's figures."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from shoal.auth import has_bearer_token, host_name, issue_join_token
from shoal.config.settings import SiteSettings
from shoal.site.configuration import player_config
from shoal.site.counter_history import add_ledger
from shoal.site.events import add_events
from shoal.site.operator_api import add_operator_views
from shoal.site.pages import STATIC, add_pages
from shoal.site.station import Station, public_station
from shoal.site.station_metadata import Profile
from shoal.web import application, cors_headers, error_response, json_body, serve

STATION = web.AppKey("station", Station)
PROFILE = web.AppKey("profile", Profile)


def site(settings: SiteSettings, static: Path = STATIC) -> web.Application:
    """Return the site's application; raise OperatorError when the player is not built."""
    token = settings.operator_token.get_secret_value()
    join_secret = settings.join_secret.get_secret_value()

    async def config_json(request: web.Request) -> web.Response:
        host = host_name(request.host)
        join_token = issue_join_token(join_secret, host, time.time())
        about = await request.app[PROFILE].about()
        config = player_config(settings, about, join_token)
        return readable(request, json_body(msgspec.json.encode(config)))

    async def station(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        if authorization is not None and not has_bearer_token(authorization, token):
            return error_response(401, "unauthorized", "this is not the operator's token")
        figures = await request.app[STATION].figures()
        shown = figures if authorization else public_station(figures)
        return readable(request, json_body(msgspec.json.encode(shown)))

    def readable(request: web.Request, response: web.Response) -> web.Response:
        """Let the pages of the sites that embed us read the answer."""
        origin = request.headers.get("Origin")
        response.headers.update(cors_headers(settings.embed_origins, origin))
        return response

    async def with_station(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            app[STATION] = Station(settings, session)
            app[PROFILE] = Profile(settings, session)
            yield

    app = application("site")
    app.cleanup_ctx.append(with_station)  # first: others ask it
    add_pages(app, static, settings, PROFILE)
    app.router.add_get("/config.json", config_json)
    app.router.add_get("/api/station", station)
    add_operator_views(app, STATION, token)
    add_events(app, STATION, token)
    add_ledger(app, STATION, token)
    app.router.add_get("/health", _health)
    return app


async def run(settings: SiteSettings) -> None:
    """Serve until SIGTERM."""
    await serve(site(settings), "site", settings.site_url)


async def _health(_request: web.Request) -> web.Response:
    return json_body(b'{"status":"ok"}')

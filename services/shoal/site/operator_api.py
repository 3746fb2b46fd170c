"""`/api/history` and `/api/viewers`: signaling's private endpoints, proxied for the operator."""

from collections.abc import Mapping

from aiohttp import web

from shoal.auth import has_bearer_token
from shoal.site.station import Station
from shoal.web import error_response, json_body


def add_operator_api(app: web.Application, station_key: web.AppKey[Station], token: str) -> None:
    """Serve both to the bearer of the operator's `token`."""

    async def proxy(
        request: web.Request, path: str, query: Mapping[str, str] | None = None
    ) -> web.Response:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        response = await request.app[station_key].get_from_signaling(path, query)
        if response is None:
            return error_response(
                503,
                "signaling_unreachable",
                "signaling does not respond: check its log and /health",
            )
        return json_body(response.body, response.status)

    async def history(request: web.Request) -> web.Response:
        after = request.query.get("after")
        return await proxy(request, "/history", None if after is None else {"after": after})

    async def viewers(request: web.Request) -> web.Response:
        return await proxy(request, "/viewers")

    app.router.add_get("/api/history", history)
    app.router.add_get("/api/viewers", viewers)

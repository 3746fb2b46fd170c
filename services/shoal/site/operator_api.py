"""`/api/history` and `/api/viewers`: what signaling tells its host, passed on to the operator."""

from collections.abc import Mapping

from aiohttp import web

from shoal.auth import has_bearer_token
from shoal.site.station import Station
from shoal.web import error_response, json_body


def add_operator_views(app: web.Application, station: web.AppKey[Station], token: str) -> None:
    """Serve both to the bearer of the operator's `token`."""

    async def pass_on(
        request: web.Request, path: str, query: Mapping[str, str] | None = None
    ) -> web.Response:
        if not has_bearer_token(request.headers.get("Authorization"), token):
            return error_response(401, "unauthorized", "the operator's bearer token is required")
        answer = await request.app[station].ask_signaling(path, query)
        if answer is None:
            return error_response(
                503, "signaling_unreachable", "signaling does not answer: see its log and /health"
            )
        return json_body(answer.body, answer.status)

    async def history(request: web.Request) -> web.Response:
        after = request.query.get("after")
        return await pass_on(request, "/history", None if after is None else {"after": after})

    async def viewers(request: web.Request) -> web.Response:
        return await pass_on(request, "/viewers")

    app.router.add_get("/api/history", history)
    app.router.add_get("/api/viewers", viewers)

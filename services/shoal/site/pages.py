"""The player's build: its pages, and assets whose names carry a hash of their content."""

from pathlib import Path

from aiohttp import web

from shoal.errors import OperatorError

STATIC = Path(__file__).with_name("static")
"""where the player's build goes; part of the package"""

PAGES = {"/": "index.html", "/p2pml": "p2pml.html", "/dashboard": "dashboard.html"}
"""path → file of the build"""

ASSET_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""one path segment that cannot lead out of its folder"""
PAGE_CACHE = "no-cache"
ASSET_CACHE = "public, max-age=31536000, immutable"


def add_pages(app: web.Application, static: Path) -> None:
    """Serve the build in `static`; raise OperatorError when there is none."""
    assets = static / "assets"
    for name in PAGES.values():
        if not (static / name).is_file():
            missing = f"{static / name} is missing"
            raise OperatorError(f"site: the player is not built ({missing}): `make up` does")

    async def page(request: web.Request) -> web.StreamResponse:
        return _file(static / PAGES[request.path], PAGE_CACHE)

    async def asset(request: web.Request) -> web.StreamResponse:
        return _file(assets / request.match_info["name"], ASSET_CACHE)

    for path in PAGES:
        app.router.add_get(path, page)
    app.router.add_get(f"/assets/{{name:{ASSET_NAME}}}", asset)


def _file(path: Path, cache: str) -> web.FileResponse:
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": cache})

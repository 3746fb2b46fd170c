"""A site over real HTTP, with the services around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import brotli
from aiohttp import web
from pydantic import SecretStr

from shoal.config.settings import SignalingSettings, SiteSettings
from shoal.signaling.service import Signaling
from shoal.site.service import site
from shoal.web import application, metrics, start
from tests.integration.signaling_station import JOIN_SECRET, TOKEN, free_url

OPERATOR = "operator's token"
PAGE = "<!doctype html><title>player</title>"
EMBED = '<!doctype html><meta name="station" />'
P2PML = "<!doctype html><title>p2p-media-loader</title>"
SCRIPT = "console.log(1)"


class Site:
    """A site, signaling, and a fake broadcaster, store and Owncast, on loopback ports."""

    def __init__(self, session: aiohttp.ClientSession, static: Path) -> None:
        self.session = session
        self.static = static
        self.url = free_url()
        self.broadcaster_url = free_url()
        self.signaling_url = free_url()
        self.runners: list[web.AppRunner] = []
        self.signaling: Signaling | None = None

    async def start_services(self) -> None:
        async def health(_request: web.Request) -> web.Response:
            return web.json_response({"status": "failing", "problems": []}, status=503)

        async def store(_request: web.Request) -> web.Response:
            sent = 'SeaweedFS_s3_bucket_traffic_sent_bytes_total{bucket="shoal"} 1234'
            return web.Response(text=f"{sent}\nprocess_start_time_seconds 1.9e+09\n")

        async def status(_request: web.Request) -> web.Response:
            return web.json_response({"online": True, "streamTitle": "News <now>", "other": 1})

        async def thumbnail(_request: web.Request) -> web.Response:
            return web.Response(body=b"jpeg", content_type="image/jpeg")

        broadcaster = application("broadcaster")
        broadcaster.router.add_get("/health", health)
        broadcaster.router.add_get("/metrics", metrics)
        broadcaster.router.add_get("/store", store)
        broadcaster.router.add_get("/owncast/api/status", status)
        broadcaster.router.add_get("/owncast/thumbnail.jpg", thumbnail)
        self.runners.append(await start(broadcaster, "broadcaster", self.broadcaster_url))
        settings = SignalingSettings(
            signaling_url=self.signaling_url,
            broadcaster_token=SecretStr(TOKEN),
            join_secret=SecretStr(JOIN_SECRET),
        )
        self.signaling = Signaling(settings)
        await self.signaling.start()

    async def start(self) -> None:
        settings = SiteSettings(
            site_url=self.url,
            broadcaster_url=self.broadcaster_url,
            signaling_url=self.signaling_url,
            owncast_url=f"{self.broadcaster_url}/owncast",
            media_url="https://media.example",
            gateway_metrics_url=f"{self.broadcaster_url}/metrics",
            store_metrics_url=f"{self.broadcaster_url}/store",
            ice_servers=[],
            embed_origins=["https://embed.example"],
            operator_token=SecretStr(OPERATOR),
            join_secret=SecretStr(JOIN_SECRET),
        )
        self.runners.append(await start(site(settings, self.static), "site", self.url))

    async def stop(self) -> None:
        for runner in self.runners:
            await runner.cleanup()
        if self.signaling is not None:
            await self.signaling.stop()


@asynccontextmanager
async def running_site(folder: Path) -> AsyncGenerator[Site]:
    """Start a site on a small build in a folder; `start_services` starts the rest."""
    static = folder / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text(PAGE)
    (static / "p2pml.html").write_text(P2PML)
    (static / "embed.html").write_text(EMBED)
    (static / "shoal-player.js").write_text(SCRIPT)
    (static / "styles.json").write_text('["sha256-abc="]')
    (static / "assets" / "big-1.js").write_text(SCRIPT)
    (static / "assets" / "big-1.js.br").write_bytes(brotli.compress(SCRIPT.encode()))
    (static / "replay.html").write_text("<!doctype html><title>replay</title>")
    (static / "dashboard.html").write_text("<!doctype html><title>dashboard</title>")
    (static / "assets" / "index-B2x_9.js").write_text(SCRIPT)
    (folder / "secret").write_text("secret")
    async with aiohttp.ClientSession() as session:
        service = Site(session, static)
        try:
            await service.start()
            yield service
        finally:
            await service.stop()

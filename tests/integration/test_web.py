"""Services count every byte of a response body, however it is sent and however it ends.

These are the positive controls for all tests that find no video bytes in the host's counters.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from shoal.local import ports
from shoal.local.gateway import Gateway
from shoal.site.metrics_reader import video_bytes
from shoal.web import application, metrics, start
from tests.integration.signaling_station import free_url

BODY = bytes(range(250)) * 4
CHUNK = bytes(64 * 1024)
CHUNKS_BEFORE_THE_CUT = 16


class Service:
    """A service that sends video in every possible way, and a gateway in front of it."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path) -> None:
        self.session = session
        self.file = folder / "file.ts"
        self.file.write_bytes(BODY * 300)
        self.url = free_url()
        chosen = ports.free_ports(["gateway", "metrics"], {})
        self.gateway_url = f"http://127.0.0.1:{chosen['gateway']}"
        urls: dict[str, str] = dict.fromkeys(
            ("signaling", "broadcaster", "owncast", "site"), self.url
        )
        self.gateway = Gateway(urls, chosen["gateway"], chosen["metrics"])

    def app(self) -> web.Application:
        async def whole(_request: web.Request) -> web.Response:
            return web.Response(body=BODY, content_type="video/mp2t")

        async def chunked(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for start_at in range(0, len(BODY), 100):
                await response.write(BODY[start_at : start_at + 100])
            return response

        async def cut(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": str(10**8)})
            await response.prepare(request)
            for _ in range(CHUNKS_BEFORE_THE_CUT):
                await response.write(CHUNK)
            assert request.transport is not None
            request.transport.abort()
            with pytest.raises(ConnectionError):
                await response.write(CHUNK)
            return response

        async def file(_request: web.Request) -> web.FileResponse:
            return web.FileResponse(self.file)

        async def moved(_request: web.Request) -> web.Response:
            raise web.HTTPFound("/live/whole.ts", text="moved")

        app = application("broadcaster")
        for handler in (whole, chunked, cut, file, moved):
            app.router.add_get(f"/live/{handler.__name__}.ts", handler)
        app.router.add_get("/metrics", metrics)
        return app

    async def counted(self) -> tuple[int, int]:
        """Return the bytes of video counted by the service and by the gateway."""
        async with self.session.get(f"{self.url}/metrics") as response:
            text = await response.text()
        return video_bytes(text, "broadcaster"), video_bytes(text, "gateway:broadcaster")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with aiohttp.ClientSession() as session:
        running = Service(session, tmp_path)
        runner = await start(running.app(), "broadcaster", running.url)
        await running.gateway.start()
        try:
            yield running
        finally:
            await running.gateway.close()
            await runner.cleanup()


@pytest.mark.parametrize("name", ["whole", "chunked", "file"])
async def test_a_body_counts_to_the_byte_as_the_gateway_counts_it(
    service: Service, name: str
) -> None:
    async with service.session.get(f"{service.gateway_url}/live/{name}.ts") as response:
        size = len(await response.read())
    assert size in (len(BODY), service.file.stat().st_size)
    assert await service.counted() == (size, size)


async def test_a_range_counts_as_what_it_is(service: Service) -> None:
    headers = {"Range": "bytes=100-299"}
    async with service.session.get(
        f"{service.gateway_url}/live/file.ts", headers=headers
    ) as response:
        assert (response.status, len(await response.read())) == (206, 200)
    assert await service.counted() == (200, 200)


async def test_a_response_that_is_broken_off_counts_what_was_sent(service: Service) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        async with service.session.get(f"{service.url}/live/cut.ts") as response:
            await response.read()
    assert (await service.counted())[0] == CHUNKS_BEFORE_THE_CUT * len(CHUNK)


async def test_a_viewer_that_goes_away_counts_for_what_was_sent(service: Service) -> None:
    service.file.write_bytes(bytes(30_000_000))
    reader, writer = await asyncio.open_connection(*address(service.url))
    writer.write(b"GET /live/file.ts HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(await reader.readexactly(1_000_000)) == 1_000_000
    writer.transport.abort()
    sent = (await service.counted())[0]
    assert 900_000 < sent < 20_000_000


async def test_no_body_is_no_byte(service: Service) -> None:
    for name in ("whole", "file"):
        async with service.session.head(f"{service.gateway_url}/live/{name}.ts") as response:
            assert int(response.headers["Content-Length"]) > 0
    async with service.session.get(
        f"{service.gateway_url}/live/moved.ts", allow_redirects=False
    ) as response:
        assert response.status == 302
    assert await service.counted() == (0, 0)


def address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)

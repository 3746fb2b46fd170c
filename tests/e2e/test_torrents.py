"""Browsers fetch segments by their magnet links, with webtorrent, from the seeder alone."""

import asyncio
import shutil
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, async_playwright

from shoal.broadcaster.seeding.supervisor import SeederSupervisor
from shoal.broadcaster.torrents import tracker_of
from tests.integration.signaling_station import Signaling, running_signaling
from tests.support.chromium import NAMES
from tests.support.station import free_port
from tests.support.torrents import Published, publish, seeding
from tests.support.viewers import CHROMIUM_ARGUMENTS

WEBTORRENT = Path("player/node_modules/webtorrent/dist/webtorrent.min.js").resolve()
CROWD = 24
PAGES = 4
TIMEOUT_S = 60

# Each client has its own frame: webtorrent has one tracker socket per page, so clients of the same
# torrent on one page would get each other's offers. And each stores the file in memory: clients of
# one origin would store it in the same place, and wait for each other's locks forever.
FRAME = """<!doctype html><script type=module>
import WebTorrent from '/webtorrent.js';
class Memory {
  constructor(chunkLength) { this.chunkLength = chunkLength; this.chunks = []; }
  put(index, chunk, done) { this.chunks[index] = chunk; queueMicrotask(() => done(null)); }
  get(index, range, done) {
    if (typeof range === 'function') [range, done] = [null, range];
    const { offset = 0, length } = range ?? {};
    const chunk = this.chunks[index];
    const part = chunk?.slice(offset, length === undefined ? undefined : offset + length);
    queueMicrotask(() => done(chunk ? null : new Error('no such chunk'), part));
  }
  close(done) { queueMicrotask(() => done(null)); }
  destroy(done) { queueMicrotask(() => done(null)); }
}
window.fetchMagnet = (magnet) => new Promise((resolve, reject) => {
  const tracker = { rtcConfig: { iceServers: [] } };
  const client = new WebTorrent({ dht: false, lsd: false, tracker });
  const started = performance.now();
  client.on('error', reject);
  const torrent = client.add(magnet, { store: Memory });
  torrent.on('done', async () => {
    const ms = performance.now() - started;
    const bytes = await torrent.files[0].arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    resolve({ ms, sha256: Array.from(hash, (b) => b.toString(16).padStart(2, '0')).join('') });
  });
});
parent.postMessage('ready', '*');
</script>"""

PAGE = """<!doctype html><script>
window.crowd = async (count, magnet) => {
  const frames = await Promise.all(Array.from({ length: count }, () => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    window.addEventListener('message', (e) => {
      if (e.source === frame.contentWindow) resolve(frame.contentWindow);
    });
    frame.src = '/frame';
    document.body.append(frame);
  })));
  return Promise.all(frames.map((frame) => frame.fetchMagnet(magnet)));
};
</script><body>"""


@asynccontextmanager
async def pages_server() -> AsyncGenerator[str]:
    def page(text: str) -> Any:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html")

        return answer

    async def library(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(WEBTORRENT, headers={"Content-Type": "text/javascript"})

    app = web.Application()
    app.router.add_get("/", page(PAGE))
    app.router.add_get("/frame", page(FRAME))
    app.router.add_get("/webtorrent.js", library)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling(embed_origins=["*"]) as running:  # the page is on another port
        yield running


@pytest_asyncio.fixture
async def seeder(service: Signaling) -> AsyncGenerator[SeederSupervisor]:
    async with seeding(service.seed_url) as running:
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, NAMES)), None),
            args=CHROMIUM_ARGUMENTS,
        )
        try:
            yield browser
        finally:
            await browser.close()


async def fetch(browser: Browser, published: Published, clients: int, pages: int) -> list[float]:
    """Let clients fetch a magnet link at once; check the hashes; return the times, milliseconds."""
    async with pages_server() as url, asyncio.timeout(TIMEOUT_S):
        open_pages = [await browser.new_page() for _ in range(pages)]
        await asyncio.gather(*(page.goto(url) for page in open_pages))
        results = await asyncio.gather(
            *(
                page.evaluate(
                    "([count, magnet]) => crowd(count, magnet)",
                    [clients // pages, published.torrent.magnet],
                )
                for page in open_pages
            )
        )
        await asyncio.gather(*(page.close() for page in open_pages))
    got = [client for result in results for client in result]
    assert [client["sha256"] for client in got] == [published.sha256] * clients
    return sorted(client["ms"] for client in got)


async def test_a_browser_fetches_a_segment_by_its_magnet_link_without_a_store(
    service: Signaling, seeder: SeederSupervisor, browser: Browser, tmp_path: Path
) -> None:
    tracker = tracker_of(service.url)
    window = [publish(tmp_path, k, tracker) for k in range(3)]
    for published in window:
        seeder.add(published.torrent, published.path)
        await seeder.until_announced(published.torrent.infohash)
    times = [(await fetch(browser, published, 1, 1))[0] for published in window]
    print(f"\none browser, three segments: {', '.join(f'{ms:.0f} ms' for ms in times)}")  # noqa: T201
    # libtorrent does not count the last blocks of a connection that ends at once
    size = sum(published.torrent.size for published in window)
    async with asyncio.timeout(10):
        while seeder.uploaded_bytes <= 0.7 * size:  # noqa: ASYNC110 it is updated now and then
            await asyncio.sleep(0.1)


async def test_many_clients_fetch_the_same_segment_at_once(
    service: Signaling, seeder: SeederSupervisor, browser: Browser, tmp_path: Path
) -> None:
    published = publish(tmp_path, 1, tracker_of(service.url))
    seeder.add(published.torrent, published.path)
    await seeder.until_announced(published.torrent.infohash)
    times = await fetch(browser, published, CROWD, PAGES)
    copies = seeder.uploaded_bytes / published.torrent.size
    print(  # noqa: T201
        f"\n{CROWD} browsers at once: median {statistics.median(times):.0f} ms,"
        f" last {times[-1]:.0f} ms, {copies:.1f} copies from the seeder"
    )
    assert copies < CROWD + 1

"""The iframe and the web component on a page of another site."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.support.pages import REFUSED, assert_clean, open_page
from tests.support.screenshots import ROOT, screenshot, serious_violations
from tests.support.station import Station
from tests.support.viewers import Viewer


@contextmanager
def other_site(html: str) -> Iterator[str]:
    """Serve a page on another origin; yield its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()


IFRAME = """<!doctype html><title>other</title><script>
window.received = [];
addEventListener("message", (event) => received.push(event.data));
const send = (data) => document.querySelector("iframe").contentWindow.postMessage(data, "*");
</script>
<iframe width="640" height="360" allow="autoplay; fullscreen; picture-in-picture"
  src="{gateway}/embed?autoplay"></iframe>"""


def received(page: Page, kind: str) -> dict[str, Any]:
    page.wait_for_function(f"() => received.some(m => m.shoal === '{kind}')")
    return page.evaluate(f"() => received.findLast(m => m.shoal === '{kind}')")


def test_an_iframe_plays_and_obeys_messages(browser: Browser, running: Station) -> None:
    with other_site(IFRAME.replace("{gateway}", running.local["gateway"])) as url:
        viewer = Viewer(browser, url, width=700, height=420)
        page = viewer.page
        received(page, "ready")
        page.evaluate("() => send({shoal: 'subscribe'})")
        page.wait_for_function(
            "() => received.some(m => m.state === 'playing' && m.muted)", timeout=30_000
        )
        page.evaluate("() => send({shoal: 'stats', id: 7})")
        answer = received(page, "stats")
        assert answer["id"] == 7
        assert answer["stats"]["playing"]
        screenshot(page, "embed-iframe")
        page.evaluate("() => send({shoal: 'pause'})")
        page.wait_for_function("() => received.at(-1).state === 'paused'")
        page.evaluate("() => send({shoal: 'play'})")
        page.wait_for_function("() => received.at(-1).state === 'playing'")
        assert [line for line in viewer.console if REFUSED.search(line)] == []


def test_an_embed_starts_when_clicked(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running, "/embed", size="phone")
    viewer.page.wait_for_selector(".start")
    assert serious_violations(viewer.page) == []
    assert not [url for url in viewer.requests if ".ts" in url]
    screenshot(viewer.page, "embed-start")
    viewer.page.click(".start")
    viewer.page.wait_for_function("() => window.shoal.stats()?.playing", timeout=30_000)
    viewer.page.click(".note .yes")
    viewer.page.click(".chip")
    viewer.page.wait_for_selector(".panel .u-over", state="attached")
    screenshot(viewer.page, "embed-panel")
    assert serious_violations(viewer.page) == []
    assert_clean(running, viewer)


COMPONENT = """<!doctype html><html lang="en"><title>other</title>
<script type="module" src="{gateway}/shoal-player.js"></script>
<h1>Another site</h1><main style="width: 640px">
<shoal-player src="{gateway}/" autoplay></shoal-player></main></html>"""


def test_the_web_component_plays_on_another_site(browser: Browser, running: Station) -> None:
    gateway = running.local["gateway"]
    with other_site(COMPONENT.replace("{gateway}", gateway)) as url:
        viewer = Viewer(browser, url, width=800, height=600)
        page = viewer.page
        player = "document.querySelector('shoal-player')"
        page.wait_for_function(f"() => {player}.stats?.()?.playing", timeout=30_000)
        other = open_page(browser, running)
        page.wait_for_function(f"() => {player}.stats().peers === 1", timeout=30_000)
        scripts = [urlsplit(u).path for u in viewer.requests if u.endswith(".js")]
        assert [path for path in scripts if not re.search("note|explanations|menus", path)] == [
            "/shoal-player.js"
        ]
        page.click(".note .yes")
        page.click(".chip")
        page.wait_for_selector(".panel .u-over", state="attached")
        screenshot(page, "component")
        page.evaluate(f"() => {player}.pause()")
        page.wait_for_function(f"() => !{player}.stats().playing")
        page.evaluate(f"() => {player}.remove()")
        other.wait("s.peers === 0")
        assert viewer.errors() == []


def test_the_module_is_small() -> None:
    static = ROOT / "services/shoal/site/static"
    assert (static / "shoal-player.js.gz").stat().st_size <= 250_000

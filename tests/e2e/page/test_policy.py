"""The pages' Content-Security-Policy blocks injected content, and nothing that the pages use."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.support.pages import open_page
from tests.support.station import Station
from tests.support.viewers import Viewer

INJECTED = """() => {
  const script = document.createElement("script");
  script.textContent = "window.injectedRan = true";
  const remote = document.createElement("script");
  remote.src = "https://stranger.example/evil.js";
  const style = document.createElement("style");
  style.textContent = "body { color: red }";
  const image = document.createElement("img");
  image.src = "https://stranger.example/pixel.png";
  const frame = document.createElement("iframe");
  frame.src = "https://stranger.example/";
  document.body.append(script, remote, style, image, frame);
  fetch("http://stranger.example/").catch(() => {});
  try { new WebSocket("ws://stranger.example/"); } catch { /* as it should */ }
}"""
BLOCKED = {
    *("script-src-elem inline", "script-src-elem https://stranger.example/evil.js"),
    *("style-src-elem inline", "img-src https://stranger.example/pixel.png"),
    *("frame-src https://stranger.example", "connect-src http://stranger.example/"),
    "connect-src ws://stranger.example/",
}


def violations(viewer: Viewer) -> list[str]:
    return viewer.page.evaluate("() => window.violations")


def used_as_watch_page(viewer: Viewer, _running: Station) -> None:
    viewer.wait("s.playing", 30)
    page = viewer.page
    page.wait_for_selector("media-rendition-menu-button")
    page.click("#sharing")
    page.wait_for_selector(".panel .u-over", state="attached")
    page.mouse.move(600, 300)
    page.click("media-rendition-menu-button")
    page.wait_for_selector("media-rendition-menu media-chrome-menu-item >> nth=1")


def used_as_embed(viewer: Viewer, _running: Station) -> None:
    viewer.page.click(".start")
    viewer.page.wait_for_function("() => window.shoal.stats()?.playing", timeout=30_000)
    viewer.page.click(".note .yes")
    viewer.page.click(".chip")
    viewer.page.wait_for_selector(".panel .u-over", state="attached")


def used_as_dashboard(viewer: Viewer, running: Station) -> None:
    page = viewer.page
    token = (running.data / "secrets" / "operator_token").read_text().strip()
    page.get_by_label("Operator token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#air")).to_have_text("on air")
    page.wait_for_selector("#shares .u-over", state="attached")
    expect(page.locator(".node")).not_to_have_count(0, timeout=20_000)


def used_as_p2pml(viewer: Viewer, _running: Station) -> None:
    viewer.page.wait_for_function("() => window.p2pml?.stats()?.playing", timeout=30_000)


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("/", used_as_watch_page),
        ("/embed", used_as_embed),
        ("/dashboard", used_as_dashboard),
        ("/p2pml", used_as_p2pml),
    ],
)
def test_the_policy_blocks_injected_content_only(
    browser: Browser, running: Station, path: str, use: Callable[[Viewer, Station], None]
) -> None:
    if path == "/dashboard":  # the dashboard draws viewers
        open_page(browser, running)
    viewer = open_page(browser, running, path)
    use(viewer, running)
    assert violations(viewer) == []
    assert viewer.errors() == []
    viewer.page.evaluate(INJECTED)
    viewer.page.wait_for_function("(count) => window.violations.length >= count", arg=len(BLOCKED))
    assert set(violations(viewer)) == BLOCKED
    assert viewer.page.evaluate("() => window.injectedRan") is None

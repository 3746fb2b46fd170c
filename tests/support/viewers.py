"""Real viewers: headless Chromium, driven by Playwright."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, WebSocket, sync_playwright

from tests.support import chromium as browsers

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # host candidates carry addresses instead of mDNS names, which nothing resolves here
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
]

QUIET_MS = 400


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browsers.executable(playwright), args=CHROMIUM_ARGUMENTS, headless=True
        )
        try:
            yield browser
        finally:
            browser.close()


class Viewer:
    """One viewer: a page in a context of its own. `window.<hook>.stats()` are its figures."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int = 640,
        height: int = 480,
        hook: str = "shoal",
        script: str = "",
        proxy: str = "",
    ) -> None:
        """Open the page, through a proxy (a URL) if one is named; `script` runs before its own."""
        self.hook = hook
        self.console: list[str] = []
        self.requests: list[str] = []
        self.sockets: list[str] = []
        self.sent: list[str | bytes] = []
        """frames, over any socket"""
        context = browser.new_context(
            viewport={"width": width, "height": height}, proxy={"server": proxy} if proxy else None
        )
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(f"ERROR {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self._listen)
        self.page.add_init_script(script)
        self.page.goto(url)

    def _listen(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
        socket.on("framesent", self._sends)

    def _sends(self, frame: str | bytes) -> None:
        self.sent.append(frame)

    def stats(self) -> dict[str, Any]:
        """What the page says of itself."""
        return self.page.evaluate(f"() => window.{self.hook}.stats()")

    def wait(self, condition: str, timeout_s: float = 30) -> None:
        """Wait until a JavaScript expression over `s`, the page's figures, is true."""
        try:
            self.page.wait_for_function(
                f"() => {{ const s = window.{self.hook}?.stats(); return s && ({condition}); }}",
                timeout=timeout_s * 1000,
                polling=100,
            )
        except TimeoutError as error:
            stats = self.page.evaluate(f"() => window.{self.hook}?.stats()")
            raise AssertionError(f"not within {timeout_s} s: {condition}; {stats}") from error

    def errors(self) -> list[str]:
        """Uncaught errors of the page."""
        return [line for line in self.console if line.startswith("ERROR")]


def settled(viewers: Sequence[Viewer], timeout_s: float = 30) -> list[dict[str, Any]]:
    """Every viewer's figures at a moment when no segment is half received by any of them.

    That is once all of them have completed one more, and then for a while receive nothing.
    """
    begun = [viewer.stats() for viewer in viewers]
    deadline = time.monotonic() + timeout_s
    before = begun
    while time.monotonic() < deadline:
        viewers[0].page.wait_for_timeout(QUIET_MS)
        now = [viewer.stats() for viewer in viewers]
        more = all(
            stats["segments"]["complete"] > first["segments"]["complete"]
            for stats, first in zip(now, begun, strict=True)
        )
        if more and [stats["bytes"] for stats in now] == [stats["bytes"] for stats in before]:
            return now
        before = now
    raise AssertionError(f"the viewers did not settle within {timeout_s} s")


def received(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Bytes by source between two figures of one viewer, start-up bytes apart."""

    def steady(stats: dict[str, Any], source: str) -> int:
        return stats["bytes"][source] - stats["startup"][source]

    return {s: steady(after, s) - steady(before, s) for s in ("p2p", "store", "seed")}

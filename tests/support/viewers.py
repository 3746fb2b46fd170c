"""Real viewers: headless Chromium, driven by Playwright."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

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
    # host candidates with addresses: nothing here resolves mDNS names
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
]

QUIET_MS = 400

T = TypeVar("T")


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in another thread, because Playwright's event loop runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browsers.executable(playwright), args=CHROMIUM_ARGUMENTS, headless=True
        )
        try:
            yield browser
        finally:
            browser.close()


class Viewer:
    """A viewer: a page in its own browser context. `window.<hook>.stats()` returns its stats."""

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
        """Open the page, through a `proxy` (URL) if given; `script` runs before the page's own."""
        self.hook = hook
        self.console: list[str] = []
        self.requests: list[str] = []
        self.sockets: list[str] = []
        self.sent: list[str | bytes] = []
        """frames sent on any WebSocket"""
        context = browser.new_context(
            viewport={"width": width, "height": height}, proxy={"server": proxy} if proxy else None
        )
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(f"ERROR {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self._on_websocket)
        self.page.add_init_script(script)
        self.page.goto(url)

    def _on_websocket(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
        socket.on("framesent", self._on_frame_sent)

    def _on_frame_sent(self, frame: str | bytes) -> None:
        self.sent.append(frame)

    def stats(self) -> dict[str, Any]:
        """Return the page's stats."""
        return self.page.evaluate(f"() => window.{self.hook}.stats()")

    def wait(self, condition: str, timeout_s: float = 30) -> None:
        """Wait until a JavaScript expression over `s`, the page's stats, is true."""
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
        """Return the page's uncaught errors."""
        return [line for line in self.console if line.startswith("ERROR")]


def settled(viewers: Sequence[Viewer], timeout_s: float = 30) -> list[dict[str, Any]]:
    """Return every viewer's stats at a moment when none has a partly received segment.

    That is when all have completed another segment and then received nothing for a while.
    """
    at_start = [viewer.stats() for viewer in viewers]
    deadline = time.monotonic() + timeout_s
    before = at_start
    while time.monotonic() < deadline:
        viewers[0].page.wait_for_timeout(QUIET_MS)
        now = [viewer.stats() for viewer in viewers]
        all_progressed = all(
            stats["segments"]["complete"] > first["segments"]["complete"]
            for stats, first in zip(now, at_start, strict=True)
        )
        if all_progressed and [stats["bytes"] for stats in now] == [
            stats["bytes"] for stats in before
        ]:
            return now
        before = now
    raise AssertionError(f"the viewers did not settle within {timeout_s} s")


def received(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Return a viewer's bytes by source between two stats, without start-up."""

    def steady(stats: dict[str, Any], source: str) -> int:
        return stats["bytes"][source] - stats["startup"][source]

    return {s: steady(after, s) - steady(before, s) for s in ("p2p", "store", "seed")}

"""Debian's Firefox plays, and shares with Chromium in one room."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.firefox import launched, tab_at
from tests.support.screenshots import save_png
from tests.support.station import Station
from tests.support.viewers import Viewer


def test_firefox_and_chromium_share(browser: Browser, running: Station, tmp_path: Path) -> None:
    with launched(tmp_path / "profile") as address:
        viewer = Viewer(browser, running.local["watch"])
        viewer.wait("s.playing", 45)

        async def watch() -> bytes:
            async with tab_at(address, running.local["watch"]) as tab:
                await tab.wait("s.playing && s.ready && s.peers === 1")
                start = await tab.evaluate("window.shoal.stats()")
                stats = await tab.wait(
                    "s.bytes.p2p - s.startup.p2p > 50000 && s.uploaded > 50000"
                    f" && s.position_s > {start['position_s'] + 4}"
                )
                assert stats["hindrance"] is None
                assert stats["segments"]["bad_pieces"] == 0
                return await tab.screenshot()

        # Playwright has an event loop in this thread
        with ThreadPoolExecutor(1) as thread:
            png = thread.submit(lambda: asyncio.run(watch())).result()
        save_png(png, "watch-firefox")
        assert viewer.stats()["bytes"]["p2p"] > 0
        assert viewer.errors() == []

"""The page of an offline station."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.pages import COUNT_CONNECTIONS, assert_clean, chip_text, open_page
from tests.support.screenshots import screenshot, serious_violations
from tests.support.station import rtmp_push, station


def test_an_offline_page_says_so_and_starts_by_itself(tmp_path: Path, browser: Browser) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOAL_CONSENT", "ask")
        environment.setenv("SHOAL_END_GRACE_S", "1")
        with station(tmp_path / "data", "--source", "rtmp", "--segment-seconds", "2") as running:
            with rtmp_push(f"{running.local['rtmp']}/key", seconds=14):
                running.wait_published(3)
            viewer = open_page(browser, running, script=COUNT_CONNECTIONS)
            viewer.page.wait_for_selector("text=Last on air today at", timeout=60_000)
            screenshot(viewer.page, "watch-offline")
            assert serious_violations(viewer.page) == []
            with rtmp_push(f"{running.local['rtmp']}/key"):
                viewer.wait("s.playing", 60)
                assert not viewer.page.is_visible(".offline")
                other = open_page(browser, running)
                other.wait("s.playing", 30)
                # nobody has agreed to share yet
                viewer.page.wait_for_selector(".note")
                screenshot(viewer.page, "watch-ask")
                assert chip_text(viewer) == "from the store: waiting for your choice"
                assert viewer.page.evaluate("() => made") == 0
                for one in (viewer, other):
                    one.page.click(".note .yes")
                viewer.wait("s.peers === 1", 30)
                assert_clean(running, viewer)

"""The page's layout on all screen sizes, and its accessibility."""

from playwright.sync_api import Browser

from tests.support.pages import assert_clean, open_page
from tests.support.screenshots import SIZES, screenshot, serious_violations
from tests.support.station import Station


def test_the_page_fits_every_screen_and_is_accessible(browser: Browser, running: Station) -> None:
    viewers = {size: open_page(browser, running, size=size) for size in SIZES}
    for size, viewer in viewers.items():
        viewer.wait("s.playing && s.peers >= 1", 45)
        viewer.page.wait_for_selector(".note")
        screenshot(viewer.page, f"watch-{size}-note")
        viewer.page.click(".note .yes")
        assert viewer.page.query_selector(".note") is None
        viewer.page.click("#sharing")
        viewer.page.wait_for_selector(".panel .u-over", state="attached")
        assert viewer.page.evaluate("() => document.activeElement.textContent") == "Sharing"
        # the page is no wider than the screen
        assert viewer.page.evaluate("() => document.body.scrollWidth <= innerWidth"), size
    for size, viewer in viewers.items():
        viewer.wait("s.bytes.p2p > 0")
        screenshot(viewer.page, f"watch-{size}-panel")
        assert serious_violations(viewer.page) == [], size
        assert_clean(running, viewer)
    dark = viewers["laptop"].page
    dark.emulate_media(color_scheme="dark", reduced_motion="reduce")
    screenshot(dark, "watch-laptop-dark")
    assert serious_violations(dark) == []
    dark.keyboard.press("Escape")
    assert not dark.is_visible(".panel")
    assert dark.evaluate("() => document.activeElement.id") == "sharing"

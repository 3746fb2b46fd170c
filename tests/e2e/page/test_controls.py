"""The controls, by mouse and by keyboard."""

from playwright.sync_api import Browser, Page

from tests.support.pages import assert_clean, open_page
from tests.support.screenshots import screenshot
from tests.support.station import Station, wait_for

MIN_SEEKABLE_S = 12
FULL_SCREEN = "media-fullscreen-button[mediaisfullscreen]"
NOT_FULL_SCREEN = "media-fullscreen-button:not([mediaisfullscreen])"


def wait_for_seekable(page: Page) -> None:
    """Wait until the viewer can seek back far enough."""
    page.wait_for_function(
        "(s) => { const v = document.querySelector('video');"
        " return v.currentTime - v.seekable.start(0) > s; }",
        arg=MIN_SEEKABLE_S,
        timeout=40_000,
    )


def wait_for_latency(page: Page, pattern: str) -> None:
    """Wait until the latency in the control bar matches a regular expression."""
    page.wait_for_function(
        "(pattern) => RegExp(pattern).test(document.querySelector('.latency').textContent)",
        arg=pattern,
    )


def is_closed_by_escape(page: Page) -> bool:
    """Press Escape; return whether this closed the menu, which gets keys once it has the focus."""
    page.keyboard.press("Escape")
    return not page.is_visible("media-rendition-menu")


def choose_quality(page: Page, name: str) -> None:
    page.mouse.move(600, 300)
    wait_for("no menu", lambda: not page.is_visible("media-rendition-menu"))
    page.click("media-rendition-menu-button")
    page.wait_for_selector("media-rendition-menu media-chrome-menu-item >> nth=2")
    page.click(f"media-rendition-menu media-chrome-menu-item:has-text('{name}')")


def test_quality_can_be_chosen_and_set_back_to_auto(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running)
    page = viewer.page
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-rendition-menu-button")
    chosen = "() => document.querySelector('video').videoRenditions.selectedIndex"
    assert page.evaluate(chosen) == -1
    page.mouse.move(600, 300)
    page.click("media-rendition-menu-button")
    page.wait_for_selector("media-rendition-menu media-chrome-menu-item >> nth=2")
    screenshot(page, "watch-quality")
    wait_for("a closed menu", lambda: is_closed_by_escape(page))
    choose_quality(page, "180p")
    page.wait_for_function("() => document.querySelector('video').videoHeight === 180")
    assert page.evaluate(chosen) >= 0
    choose_quality(page, "Auto")
    assert page.evaluate(chosen) == -1
    assert_clean(running, viewer)


def test_controls_work_with_mouse_and_keyboard(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running)
    page = viewer.page
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-rendition-menu-button")
    # this stream has no captions, so add a track
    assert not page.is_visible("media-captions-menu-button")
    page.evaluate(
        "() => { document.querySelector('video').addTextTrack('captions', 'English', 'en'); }"
    )
    page.mouse.move(600, 320)
    page.click("media-captions-menu-button")
    page.click("media-captions-menu media-chrome-menu-item:has-text('English')")
    showing = "() => document.querySelector('video').textTracks[0].mode"
    wait_for("captions", lambda: page.evaluate(showing) == "showing")
    # keys work without a click on the player
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("c")
    wait_for("no captions", lambda: page.evaluate(showing) != "showing")
    page.keyboard.press("m")
    page.wait_for_function("() => !document.querySelector('video').muted")
    page.evaluate(
        "() => document.querySelector('media-controller').mediaStore"
        ".dispatch({type: 'mediavolumerequest', detail: 0.4})"
    )
    page.keyboard.press("k")
    # the controls learn of the pause a moment later
    page.wait_for_selector("media-controller[mediapaused]")
    assert page.evaluate("() => document.querySelector('video').paused")
    page.keyboard.press("k")
    page.wait_for_function("() => !document.querySelector('video').paused")
    # seek back, and return to live with the badge
    wait_for_seekable(page)
    page.evaluate(
        "() => { const v = document.querySelector('video'); v.currentTime = v.seekable.start(0); }"
    )
    wait_for_latency(page, r"−\d")
    page.mouse.move(600, 340)
    screenshot(page, "watch-behind")
    page.click("media-live-button")
    wait_for_latency(page, "^$")
    # the same with keys, which cannot seek beyond live
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("j")
    wait_for_latency(page, r"−\d")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    wait_for_latency(page, "^$")
    page.reload()
    viewer.wait("s.playing", 30)
    page.wait_for_function("() => document.querySelector('video').volume === 0.4")
    assert page.evaluate("() => document.querySelector('video').muted")  # it starts without sound
    assert_clean(running, viewer)


def test_buttons_are_shown_if_they_work(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running)
    page = viewer.page
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-fullscreen-button")
    page.mouse.move(600, 300)
    page.keyboard.press("f")
    page.wait_for_selector(FULL_SCREEN)
    page.keyboard.press("f")
    page.wait_for_selector(NOT_FULL_SCREEN)
    assert page.evaluate("() => document.fullscreenElement") is None
    page.mouse.move(600, 320)
    page.click("media-fullscreen-button")
    page.wait_for_selector(FULL_SCREEN)
    page.keyboard.press("f")
    # a headless browser finds no AirPlay or Cast device
    for button, expected in (("pip", None), ("airplay", False), ("cast", False)):
        available = page.evaluate(
            f"() => !document.querySelector('media-{button}-button').matches("
            f"'[media{button}unavailable]')"
        )
        assert page.is_visible(f"media-{button}-button") == available
        assert expected in (None, available)
    assert_clean(running, viewer)

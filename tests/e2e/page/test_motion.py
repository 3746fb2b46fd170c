"""What moves on the page, and for whom nothing does (`prefers-reduced-motion`)."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.support.pages import assert_clean, open_page
from tests.support.station import Station

COLLECT = """
window.changed = new Set();
addEventListener("transitionrun", (event) => { window.changed.add(event.propertyName); }, true);
"""
"""`window.changed`: properties that did not change at once"""

SPINNER = """() => {
  document.querySelector("media-loading-indicator").toggleAttribute("medialoading", true);
  return new Promise((done) => requestAnimationFrame(() => {
    const frames = document.getAnimations().flatMap((one) => one.effect.getKeyframes());
    done(frames.flatMap((frame) => Object.keys(frame)));
  }));
}"""
"""what the animations that run change, while the picture is waited for"""

MOTION = {"transform", "translate", "rotate", "scale", "left", "right", "top", "bottom"}


def changed(
    browser: Browser, running: Station, preference: Literal["reduce", "no-preference"]
) -> set[str]:
    """Properties that a visit animates."""
    viewer = open_page(browser, running, script=COLLECT)
    page = viewer.page
    page.emulate_media(reduced_motion=preference)
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-rendition-menu-button")
    page.mouse.move(600, 300)
    page.click("media-rendition-menu-button")
    # by its transition's end it has the focus, so that arrows choose
    page.wait_for_function("() => document.activeElement.matches('media-rendition-menu')")
    page.keyboard.press("Escape")
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('media-rendition-menu')).opacity === '0'"
    )
    found = {*page.evaluate("() => [...changed]"), *page.evaluate(SPINNER)}
    assert_clean(running, viewer)
    return found


@pytest.mark.parametrize(
    ("preference", "moved"), [("no-preference", {"transform", "rotate"}), ("reduce", set[str]())]
)
def test_nothing_moves_for_who_wants_no_motion(
    browser: Browser,
    running: Station,
    preference: Literal["reduce", "no-preference"],
    moved: set[str],
) -> None:
    found = changed(browser, running, preference)
    assert found & MOTION == moved
    # something shows all the same that it works
    assert "opacity" in found

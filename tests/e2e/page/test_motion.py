"""What moves on the page, and that nothing does with `prefers-reduced-motion`."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.support.pages import assert_clean, open_page
from tests.support.station import Station

COLLECT = """
window.transitions = new Set();
addEventListener("transitionrun", (event) => { window.transitions.add(event.propertyName); }, true);
"""
"""`window.transitions` collects the properties that changed gradually"""

SPINNER = """() => {
  document.querySelector("media-loading-indicator").toggleAttribute("medialoading", true);
  return new Promise((done) => requestAnimationFrame(() => {
    const frames = document.getAnimations().flatMap((one) => one.effect.getKeyframes());
    done(frames.flatMap((frame) => Object.keys(frame)));
  }));
}"""
"""returns the properties that the loading indicator's animations change"""

MOTION = {"transform", "translate", "rotate", "scale", "left", "right", "top", "bottom"}


def animated(
    browser: Browser, running: Station, preference: Literal["reduce", "no-preference"]
) -> set[str]:
    """Return the properties that are animated during a visit."""
    viewer = open_page(browser, running, script=COLLECT)
    page = viewer.page
    page.emulate_media(reduced_motion=preference)
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-rendition-menu-button")
    page.mouse.move(600, 300)
    page.click("media-rendition-menu-button")
    # it has the focus after its transition, so that arrow keys choose
    page.wait_for_function("() => document.activeElement.matches('media-rendition-menu')")
    page.keyboard.press("Escape")
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('media-rendition-menu')).opacity === '0'"
    )
    found = {*page.evaluate("() => [...transitions]"), *page.evaluate(SPINNER)}
    assert_clean(running, viewer)
    return found


@pytest.mark.parametrize(
    ("preference", "moved"), [("no-preference", {"transform", "rotate"}), ("reduce", set[str]())]
)
def test_nothing_moves_with_reduced_motion(
    browser: Browser,
    running: Station,
    preference: Literal["reduce", "no-preference"],
    moved: set[str],
) -> None:
    found = animated(browser, running, preference)
    assert found & MOTION == moved
    # it still fades in and out
    assert "opacity" in found

"""Opens the pages of a station as people do, and checks that nothing went wrong."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from tests.support.screenshots import SIZES
from tests.support.station import Station
from tests.support.viewers import Viewer

COUNT_CONNECTIONS = """
const Real = RTCPeerConnection;
window.made = 0;
window.RTCPeerConnection = class extends Real {
  constructor(...args) { super(...args); window.made += 1; }
};
"""
"""`window.made` counts RTCPeerConnections"""

VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""
"""`window.violations` lists what the page's policy has blocked"""

REFUSED = re.compile(r"Content Security Policy|Refused to|violates", re.IGNORECASE)


def open_page(
    browser: Browser, running: Station, path: str = "/", script: str = "", size: str = "laptop"
) -> Viewer:
    """Open a page of a station on a screen of one of `SIZES`."""
    width, height = SIZES[size]
    url = f"{running.local['gateway']}{path}"
    return Viewer(browser, url, width=width, height=height, script=VIOLATIONS + script)


def assert_clean(running: Station, viewer: Viewer) -> None:
    """Assert that there were no errors, policy violations, or requests to other hosts."""
    assert viewer.errors() == []
    assert viewer.page.evaluate("() => window.violations") == []
    assert [line for line in viewer.console if REFUSED.search(line)] == []
    own = {urlsplit(running.local[name]).netloc for name in ("gateway", "store")}
    hosts = {urlsplit(url).netloc for url in viewer.requests if not url.startswith("blob:")}
    assert hosts <= own


def chip_text(viewer: Viewer) -> str:
    """Return the text of the chip."""
    return viewer.page.inner_text(".chip")

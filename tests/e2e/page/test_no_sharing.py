"""Browsers and networks that prevent sharing: the page plays, and says why it does not share."""

import pytest
from playwright.sync_api import Browser

from tests.support.pages import open_page
from tests.support.screenshots import screenshot
from tests.support.station import Station
from tests.support.viewers import Viewer

REMOVE = "Object.defineProperty(window, '{name}', {{value: undefined}}); delete window.{name};"
NO_ROUTE = """
const Real = RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(options) { super({ ...options, iceTransportPolicy: "relay" }); }
};
"""
"""a network in which no link to another viewer can be made"""
CELLULAR = """
const connection = Object.assign(new EventTarget(), { type: "cellular" });
Object.defineProperty(navigator, "connection", { value: connection });
"""
PHONE = """
Object.defineProperty(navigator, 'userAgentData', {value: {mobile: true}});
Object.defineProperty(navigator, 'connection', {value: undefined});
"""


def assert_plays_from_the_store(viewer: Viewer, chip: str, explanation: str) -> None:
    """Assert that the viewer plays without peers, and that chip and panel say why."""
    viewer.wait("s.playing", 30)
    viewer.page.wait_for_function(
        "(chip) => document.querySelector('.chip').textContent === chip", arg=chip
    )
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector(
        f".panel .explanations p:has-text('{explanation}')", timeout=15_000
    )
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 3}", 15)
    assert viewer.stats()["bytes"]["p2p"] == 0
    assert viewer.stats()["peers"] == 0
    assert viewer.errors() == []


@pytest.mark.parametrize(
    ("path", "script", "texts"),
    [
        ("/", REMOVE.format(name="RTCPeerConnection"), ("this browser has no WebRTC", "no WebRTC")),
        ("/", REMOVE.format(name="WebSocket"), ("this browser has no WebSockets", "no WebSockets")),
        (
            "/",
            "Object.defineProperty(window, 'isSecureContext', {value: false})",
            ("sharing needs HTTPS", "not opened over HTTPS"),
        ),
        ("/?p2p=0", "", ("sharing is off in this player", "turned off in this player")),
    ],
    ids=["no WebRTC", "no WebSocket", "no WebCrypto", "p2p=0"],
)
def test_a_browser_that_cannot_share_plays_and_says_why(
    browser: Browser, running: Station, path: str, script: str, texts: tuple[str, str]
) -> None:
    chip, explanation = texts
    viewer = open_page(browser, running, path, script=script)
    assert_plays_from_the_store(viewer, f"from the store: {chip}", explanation)


def test_blocked_websockets_are_explained(browser: Browser, running: Station) -> None:
    open_page(browser, running)
    viewer = Viewer(browser, "about:blank")
    viewer.page.route_web_socket("**/ws/room*", lambda socket: socket.close())
    viewer.page.goto(running.local["watch"])
    assert_plays_from_the_store(
        viewer, "from the store: cannot find other viewers", "WebSocket cannot be reached"
    )


def test_a_network_without_links_is_explained(browser: Browser, running: Station) -> None:
    open_page(browser, running)
    viewer = open_page(browser, running, script=NO_ROUTE)
    assert_plays_from_the_store(
        viewer,
        "from the store: could not connect to other viewers",
        "could not connect to the other viewers",
    )


def test_without_local_storage_it_shares_and_says_so(browser: Browser, running: Station) -> None:
    other = open_page(browser, running)
    other.wait("s.playing", 30)
    refused = "Object.defineProperty(window, 'localStorage', {get() { throw Error('no') }})"
    viewer = open_page(browser, running, script=refused)
    viewer.wait("s.playing && s.peers === 1", 30)
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector(".panel .explanations p:has-text('private window')")
    assert viewer.errors() == []


def test_a_phone_on_an_unknown_network_only_receives(browser: Browser, running: Station) -> None:
    other = open_page(browser, running)
    other.wait("s.playing", 30)
    viewer = open_page(browser, running, script=PHONE, size="phone")
    viewer.wait("s.playing && s.peers === 1 && s.bytes.p2p - s.startup.p2p > 0", 45)
    stats = viewer.stats()
    assert (stats["uploaded"], stats["no_upload"]) == (0, "unknown link")
    viewer.page.click(".note .yes")
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector("text=does not report whether it is on Wi-Fi")
    screenshot(viewer.page, "watch-phone-receives")


def test_mobile_data_only_receives_until_the_viewer_allows_uploads(
    browser: Browser, running: Station
) -> None:
    other = open_page(browser, running)
    other.wait("s.playing", 30)
    viewer = open_page(browser, running, script=CELLULAR)
    viewer.wait("s.playing && s.peers === 1 && s.bytes.p2p - s.startup.p2p > 0", 45)
    stats = viewer.stats()
    assert (stats["uploaded"], stats["no_upload"]) == (0, "mobile data")
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector("text=You are on mobile data")
    viewer.page.click("text=Don't upload on mobile data")
    viewer.wait("s.no_upload === null && s.peers === 1 && s.uploaded > 0", 30)
    # the choice is remembered
    viewer.page.reload()
    viewer.wait("s.playing && s.no_upload === null", 30)
    assert viewer.errors() == []


def test_a_denied_local_network_is_explained(browser: Browser, running: Station) -> None:
    viewer = Viewer(browser, "about:blank")
    cdp = viewer.page.context.new_cdp_session(viewer.page)
    context = cdp.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
    refuse = {"permission": {"name": "local-network"}, "setting": "denied"}
    cdp.send("Browser.setPermission", {**refuse, "browserContextId": context})
    viewer.page.goto(running.local["watch"])
    viewer.wait("s.playing", 30)
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector(".panel .explanations p:has-text('viewers there are left out')")
    assert viewer.errors() == []

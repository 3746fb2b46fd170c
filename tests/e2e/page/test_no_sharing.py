"""Browsers and networks where nothing can be shared: the page plays, and says why it does not."""

import pytest
from playwright.sync_api import Browser

from tests.support.pages import open_page
from tests.support.screenshots import screenshot
from tests.support.station import Station
from tests.support.viewers import Viewer

NO = "Object.defineProperty(window, '{name}', {{value: undefined}}); delete window.{name};"
NO_ROUTE = """
const Real = RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(given) { super({ ...given, iceTransportPolicy: "relay" }); }
};
"""
"""a network that lets nothing through to other viewers"""
CELLULAR = """
const connection = Object.assign(new EventTarget(), { type: "cellular" });
Object.defineProperty(navigator, "connection", { value: connection });
"""
PHONE = """
Object.defineProperty(navigator, 'userAgentData', {value: {mobile: true}});
Object.defineProperty(navigator, 'connection', {value: undefined});
"""


def plays_from_the_store(viewer: Viewer, chip: str, explained: str) -> None:
    """Assert that the picture goes on, that nobody sent any of it, and that both texts say why."""
    viewer.wait("s.playing", 30)
    viewer.page.wait_for_function(
        "(chip) => document.querySelector('.chip').textContent === chip", arg=chip
    )
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector(f".panel .explanations p:has-text('{explained}')", timeout=15_000)
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 3}", 15)
    assert viewer.stats()["bytes"]["p2p"] == 0
    assert viewer.stats()["peers"] == 0
    assert viewer.errors() == []


@pytest.mark.parametrize(
    ("path", "script", "says"),
    [
        ("/", NO.format(name="RTCPeerConnection"), ("this browser has no WebRTC", "no WebRTC")),
        ("/", NO.format(name="WebSocket"), ("this browser has no WebSockets", "no WebSockets")),
        (
            "/",
            "Object.defineProperty(window, 'isSecureContext', {value: false})",
            ("sharing needs HTTPS", "not opened over HTTPS"),
        ),
        ("/?p2p=0", "", ("sharing is off in this player", "turned off in this player")),
    ],
    ids=["no WebRTC", "no WebSocket", "no WebCrypto", "p2p=0"],
)
def test_where_the_browser_cannot_share_it_plays_and_says_why(
    browser: Browser, running: Station, path: str, script: str, says: tuple[str, str]
) -> None:
    chip, explained = says
    viewer = open_page(browser, running, path, script=script)
    plays_from_the_store(viewer, f"from the store: {chip}", explained)


def test_where_websockets_are_blocked_on_the_way(browser: Browser, running: Station) -> None:
    open_page(browser, running)
    viewer = Viewer(browser, "about:blank")
    viewer.page.route_web_socket("**/ws/room*", lambda socket: socket.close())
    viewer.page.goto(running.local["watch"])
    plays_from_the_store(
        viewer, "from the store: cannot find other viewers", "WebSocket cannot be reached"
    )


def test_where_the_network_lets_nothing_through(browser: Browser, running: Station) -> None:
    open_page(browser, running)
    viewer = open_page(browser, running, script=NO_ROUTE)
    plays_from_the_store(
        viewer,
        "from the store: could not connect to other viewers",
        "could not connect to the other viewers",
    )


def test_where_nothing_is_kept_it_shares_and_says_so(browser: Browser, running: Station) -> None:
    other = open_page(browser, running)
    other.wait("s.playing", 30)
    refused = "Object.defineProperty(window, 'localStorage', {get() { throw Error('no') }})"
    viewer = open_page(browser, running, script=refused)
    viewer.wait("s.playing && s.peers === 1", 30)
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector(".panel .explanations p:has-text('private window')")
    assert viewer.errors() == []


def test_a_phone_of_unknown_link_receives_and_sends_nothing(
    browser: Browser, running: Station
) -> None:
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


def test_mobile_data_is_for_receiving_until_its_owner_says_otherwise(
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
    # it is remembered
    viewer.page.reload()
    viewer.wait("s.playing && s.no_upload === null", 30)
    assert viewer.errors() == []


def test_where_the_local_network_is_refused(browser: Browser, running: Station) -> None:
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

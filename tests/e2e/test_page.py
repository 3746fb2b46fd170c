"""The watch page and the embed, as people use them, on one station."""

import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.support.looks import SIZES, picture, serious
from tests.support.station import Station, fetch, rtmp_push, station, wait_for
from tests.support.viewers import Viewer, chromium, settled

QUICK = ("--bitrate", "600", "--segment-seconds", "2", "--renditions", "2")

COUNT_CONNECTIONS = """
const Real = RTCPeerConnection;
window.made = 0;
window.RTCPeerConnection = class extends Real {
  constructor(...args) { super(...args); window.made += 1; }
};
"""
REFUSED = re.compile(r"Content Security Policy|Refused to|violates", re.IGNORECASE)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    data = tmp_path_factory.mktemp("page") / "data"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOAL_EMBED_ORIGINS", '["*"]')
        with station(data, *QUICK) as started:
            started.wait_published(4)
            yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def alone(browser: Browser) -> Iterator[None]:
    """Leave nobody in the room, also where a test failed."""
    yield
    for context in browser.contexts:
        context.close()


def open_page(
    browser: Browser, running: Station, path: str = "/", script: str = "", size: str = "laptop"
) -> Viewer:
    width, height = SIZES[size]
    url = f"{running.local['gateway']}{path}"
    return Viewer(browser, url, width=width, height=height, script=script)


def clean(running: Station, viewer: Viewer) -> None:
    """Nothing went wrong, nothing was refused by the policy, nobody else was asked for anything."""
    assert viewer.errors() == []
    assert [line for line in viewer.console if REFUSED.search(line)] == []
    own = {urlsplit(running.local[name]).netloc for name in ("gateway", "store")}
    asked = {urlsplit(url).netloc for url in viewer.requests if not url.startswith("blob:")}
    assert asked <= own


def chip_of(viewer: Viewer) -> str:
    return viewer.page.inner_text(".chip")


def test_it_looks_right_and_everybody_can_use_it(browser: Browser, running: Station) -> None:
    viewers = {size: open_page(browser, running, size=size) for size in SIZES}
    for size, viewer in viewers.items():
        viewer.wait("s.playing && s.peers >= 1", 45)
        viewer.page.wait_for_selector(".note")
        picture(viewer.page, f"watch-{size}-note")
        viewer.page.click(".note .yes")
        assert viewer.page.query_selector(".note") is None
        viewer.page.click("#sharing")
        viewer.page.wait_for_selector(".panel .u-over", state="attached")
        assert viewer.page.evaluate("() => document.activeElement.textContent") == "Sharing"
        # one screen is as wide as it is
        assert viewer.page.evaluate("() => document.body.scrollWidth <= innerWidth"), size
    for size, viewer in viewers.items():
        viewer.wait("s.bytes.p2p > 0")
        picture(viewer.page, f"watch-{size}-panel")
        assert serious(viewer.page) == [], size
        clean(running, viewer)
    dark = viewers["laptop"].page
    dark.emulate_media(color_scheme="dark", reduced_motion="reduce")
    picture(dark, "watch-laptop-dark")
    assert serious(dark) == []
    dark.keyboard.press("Escape")
    assert not dark.is_visible(".panel")
    assert dark.evaluate("() => document.activeElement.id") == "sharing"


def test_controls_work_with_mouse_and_keyboard(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running)
    page = viewer.page
    viewer.wait("s.playing", 30)
    page.wait_for_selector("media-rendition-menu-button")
    page.mouse.move(600, 300)
    page.click("media-rendition-menu-button")
    page.wait_for_selector("media-rendition-menu media-chrome-menu-item >> nth=2")
    picture(page, "watch-quality")
    page.click("media-rendition-menu media-chrome-menu-item:has-text('180p')")
    page.wait_for_function("() => document.querySelector('video').videoHeight === 180")
    # captions: none in this stream, so a track stands in for one
    assert not page.is_visible("media-captions-menu-button")
    page.evaluate(
        "() => { document.querySelector('video').addTextTrack('captions', 'English', 'en'); }"
    )
    page.mouse.move(600, 320)
    page.click("media-captions-menu-button")
    page.click("media-captions-menu media-chrome-menu-item:has-text('English')")
    showing = "() => document.querySelector('video').textTracks[0].mode"
    wait_for("captions", lambda: page.evaluate(showing) == "showing")
    # keys work without a click into the player first
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("m")
    page.wait_for_function("() => !document.querySelector('video').muted")
    page.evaluate(
        "() => document.querySelector('media-controller').mediaStore"
        ".dispatch({type: 'mediavolumerequest', detail: 0.4})"
    )
    page.keyboard.press("k")
    # the controls hear of it a moment after the picture stands
    page.wait_for_selector("media-controller[mediapaused]")
    assert page.evaluate("() => document.querySelector('video').paused")
    page.keyboard.press("k")
    page.wait_for_function("() => !document.querySelector('video').paused")
    # back in time, and to live again by its badge
    page.wait_for_function(
        "() => { const v = document.querySelector('video');"
        " return v.currentTime - v.seekable.start(0) > 12; }",
        timeout=40_000,
    )
    page.evaluate(
        "() => { const v = document.querySelector('video'); v.currentTime = v.seekable.start(0); }"
    )
    page.wait_for_function("() => /−\\d/.test(document.querySelector('.behind').textContent)")
    page.mouse.move(600, 340)
    picture(page, "watch-behind")
    page.click("media-live-button")
    page.wait_for_function("() => document.querySelector('.behind').textContent === ''")
    page.reload()
    viewer.wait("s.playing", 30)
    page.wait_for_function("() => document.querySelector('video').volume === 0.4")
    assert page.evaluate("() => document.querySelector('video').muted")  # it starts without sound
    clean(running, viewer)


def test_who_turns_sharing_off_makes_no_connection(browser: Browser, running: Station) -> None:
    other = open_page(browser, running)
    viewer = open_page(browser, running, script=COUNT_CONNECTIONS)
    viewer.wait("s.playing && s.peers === 1", 45)
    before = viewer.stats()
    viewer.page.click("#sharing")
    viewer.page.click("text=Share with other viewers")
    viewer.wait("s.hindrance === 'off' && s.peers === 0 && s.playing")
    other.wait("s.peers === 0")
    made = viewer.page.evaluate("() => made")
    assert chip_of(viewer) == "from the store: sharing is off"
    picture(viewer.page, "watch-laptop-off")
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.position_s > {position + 4}")
    after = viewer.stats()
    assert after["stalls"] == before["stalls"]
    assert after["bytes"]["p2p"] >= before["bytes"]["p2p"]
    assert viewer.page.evaluate("() => made") == made
    viewer.page.reload()
    viewer.wait("s.playing && s.hindrance === 'off'", 30)
    viewer.page.wait_for_timeout(2_000)
    assert viewer.page.evaluate("() => made") == 0
    assert viewer.page.query_selector(".note") is None
    viewer.page.click("#sharing")
    viewer.page.click("text=Share with other viewers")
    viewer.wait("s.peers === 1 && s.hindrance === null", 30)
    clean(running, viewer)


def test_an_upload_limit_holds(browser: Browser, running: Station) -> None:
    script = (
        """localStorage.setItem("shoal.preferences", '{"uploadLimitMbps": 0.05, "noted": true}')"""
    )
    viewer = open_page(browser, running, script=script)
    for _ in range(2):
        open_page(browser, running)
    viewer.wait("s.playing && s.peers === 2", 45)
    before, begun = viewer.stats()["uploaded"], time.monotonic()
    running.wait_published(running.published() + 4)
    sent_bps = (viewer.stats()["uploaded"] - before) * 8 / (time.monotonic() - begun)
    # a piece may be begun whenever there is credit, and it counts whole
    assert sent_bps <= 2 * 50_000 + 16 * 1024 * 8


NO = "Object.defineProperty(window, '{name}', {{value: undefined}}); delete window.{name};"


@pytest.mark.parametrize(
    ("path", "script", "says"),
    [
        ("/", NO.format(name="RTCPeerConnection"), "this browser has no WebRTC"),
        ("/", NO.format(name="WebSocket"), "this browser has no WebSockets"),
        ("/", "Object.defineProperty(window, 'isSecureContext', {value: false})", "needs https"),
        ("/?p2p=0", "", "sharing is off here"),
        ("/", "Object.defineProperty(window, 'localStorage', {get() { throw Error('no') }})", None),
    ],
    ids=["no WebRTC", "no WebSocket", "no WebCrypto", "p2p=0", "no storage"],
)
def test_where_it_cannot_share_it_plays_and_says_why(
    browser: Browser, running: Station, path: str, script: str, says: str | None
) -> None:
    viewer = open_page(browser, running, path, script=script)
    viewer.wait("s.playing", 30)
    viewer.page.wait_for_function(
        "() => document.querySelector('.chip').textContent !== 'starting'"
    )
    viewer.page.click("#sharing")
    explained = viewer.page.wait_for_selector(".panel .explained p")
    assert explained is not None
    if says is None:
        assert "private window" in explained.inner_text()
    else:
        assert says in chip_of(viewer)
        assert viewer.stats()["bytes"]["p2p"] == 0
        assert "store" in explained.inner_text()
    assert viewer.errors() == []


def test_a_phone_of_unknown_link_receives_and_sends_nothing(
    browser: Browser, running: Station
) -> None:
    phone = "Object.defineProperty(navigator, 'userAgentData', {value: {mobile: true}});"
    unknown = "Object.defineProperty(navigator, 'connection', {value: undefined});"
    other = open_page(browser, running)
    other.wait("s.playing", 30)
    viewer = open_page(browser, running, script=phone + unknown, size="phone")
    viewer.wait("s.playing && s.peers === 1 && s.bytes.p2p - s.startup.p2p > 0", 45)
    stats = viewer.stats()
    assert (stats["uploaded"], stats["no_upload"]) == (0, "unknown link")
    viewer.page.click(".note .yes")
    viewer.page.click("#sharing")
    viewer.page.wait_for_selector("text=does not say whether it is on Wi-Fi")
    picture(viewer.page, "watch-phone-receives")


def test_the_chip_says_what_the_store_counted(browser: Browser, running: Station) -> None:
    """Its share, against the bytes that the object store itself has sent meanwhile."""
    sent_before = store_bytes(running)
    viewers = [open_page(browser, running) for _ in range(3)]
    for viewer in viewers:
        viewer.wait("s.ready && s.peers === 2 && s.playing", 45)
    running.wait_published(running.published() + 5)
    stats = settled(viewers)
    sent = wait_for("the store's counter", lambda: store_bytes(running) - sent_before)
    received = sum(sum(one["bytes"].values()) for one in stats)
    startup = sum(sum(one["startup"].values()) for one in stats)
    startup_store = sum(one["startup"]["store"] for one in stats)
    # of what came after the start: all that the store did not send came from viewers
    by_store = 1 - (sent - startup_store) / (received - startup)
    said: list[int] = []
    for viewer in viewers:
        # it is written once a second, and segments go on coming
        viewer.page.wait_for_function(
            "() => parseInt(document.querySelector('.chip').textContent) ==="
            " Math.floor(shoal.stats().share * 100)"
        )
        text = chip_of(viewer)
        match = re.fullmatch(r"(\d+) % from 2 viewers", text)
        assert match, text
        said.append(int(match[1]))
    steady = [sum(one["bytes"].values()) - sum(one["startup"].values()) for one in stats]
    weighted = sum(part * all_ for part, all_ in zip(said, steady, strict=True)) / sum(steady)
    # rounded down by up to one, and a segment may be under way while the two are read
    assert abs(weighted - by_store * 100) <= 5, (said, by_store)
    assert sum(one["bytes"]["store"] for one in stats) == pytest.approx(sent, rel=0.06)


def store_bytes(running: Station) -> int:
    text = fetch(running.local["store_metrics"]).decode()
    lines = [line for line in text.splitlines() if "traffic_sent_bytes_total{" in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


@contextmanager
def other_site(html: str) -> Iterator[str]:
    """Somebody else's page, on an origin of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()


IFRAME = """<!doctype html><title>other</title><script>
window.heard = [];
addEventListener("message", (event) => heard.push(event.data));
const say = (data) => document.querySelector("iframe").contentWindow.postMessage(data, "*");
</script>
<iframe width="640" height="360" allow="autoplay; fullscreen; picture-in-picture"
  src="{gateway}/embed?autoplay"></iframe>"""


def heard(page: Page, kind: str) -> dict[str, Any]:
    page.wait_for_function(f"() => heard.some(m => m.shoal === '{kind}')")
    return page.evaluate(f"() => heard.findLast(m => m.shoal === '{kind}')")


def test_an_iframe_plays_and_takes_orders(browser: Browser, running: Station) -> None:
    with other_site(IFRAME.replace("{gateway}", running.local["gateway"])) as url:
        viewer = Viewer(browser, url, width=700, height=420)
        page = viewer.page
        heard(page, "ready")
        page.evaluate("() => say({shoal: 'subscribe'})")
        page.wait_for_function(
            "() => heard.some(m => m.state === 'playing' && m.muted)", timeout=30_000
        )
        page.evaluate("() => say({shoal: 'stats', id: 7})")
        answer = heard(page, "stats")
        assert answer["id"] == 7
        assert answer["stats"]["playing"]
        picture(page, "embed-iframe")
        page.evaluate("() => say({shoal: 'pause'})")
        page.wait_for_function("() => heard.at(-1).state === 'paused'")
        page.evaluate("() => say({shoal: 'play'})")
        page.wait_for_function("() => heard.at(-1).state === 'playing'")
        assert [line for line in viewer.console if REFUSED.search(line)] == []


def test_an_embed_waits_for_its_viewer(browser: Browser, running: Station) -> None:
    viewer = open_page(browser, running, "/embed", size="phone")
    viewer.page.wait_for_selector(".start")
    assert serious(viewer.page) == []
    assert not [url for url in viewer.requests if ".ts" in url]
    picture(viewer.page, "embed-start")
    viewer.page.click(".start")
    viewer.page.wait_for_function("() => window.shoal.stats()?.playing", timeout=30_000)
    viewer.page.click(".note .yes")
    viewer.page.click(".chip")
    viewer.page.wait_for_selector(".panel .u-over", state="attached")
    picture(viewer.page, "embed-panel")
    assert serious(viewer.page) == []
    clean(running, viewer)


COMPONENT = """<!doctype html><html lang="en"><title>other</title>
<script type="module" src="{gateway}/shoal-player.js"></script>
<h1>Somebody else's page</h1><main style="width: 640px">
<shoal-player src="{gateway}/" autoplay></shoal-player></main></html>"""


def test_the_web_component_plays_on_another_site(browser: Browser, running: Station) -> None:
    gateway = running.local["gateway"]
    with other_site(COMPONENT.replace("{gateway}", gateway)) as url:
        viewer = Viewer(browser, url, width=800, height=600)
        page = viewer.page
        player = "document.querySelector('shoal-player')"
        page.wait_for_function(f"() => {player}.stats?.()?.playing", timeout=30_000)
        other = open_page(browser, running)
        page.wait_for_function(f"() => {player}.stats().peers === 1", timeout=30_000)
        scripts = [urlsplit(u).path for u in viewer.requests if u.endswith(".js")]
        assert [path for path in scripts if not re.search("note|words|menus", path)] == [
            "/shoal-player.js"
        ]
        page.click(".note .yes")
        page.click(".chip")
        page.wait_for_selector(".panel .u-over", state="attached")
        picture(page, "component")
        page.evaluate(f"() => {player}.pause()")
        page.wait_for_function(f"() => !{player}.stats().playing")
        page.evaluate(f"() => {player}.remove()")
        other.wait("s.peers === 0")
        assert viewer.errors() == []


def test_the_module_is_small() -> None:
    static = Path(__file__).parents[2] / "services/shoal/site/static"
    assert (static / "shoal-player.js.gz").stat().st_size <= 250_000


def test_settings_reach_the_page(running: Station) -> None:
    config = json.loads(fetch(f"{running.local['gateway']}/config.json"))
    assert (config["consent"], config["title"]) == ("notice", "Shoal")


def test_off_air_it_says_so_and_starts_by_itself(tmp_path: Path, browser: Browser) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOAL_CONSENT", "ask")
        environment.setenv("SHOAL_END_GRACE_S", "1")
        with station(tmp_path / "data", "--source", "rtmp", "--segment-seconds", "2") as running:
            with rtmp_push(f"{running.local['rtmp']}/key", seconds=14):
                running.wait_published(3)
            viewer = open_page(browser, running, script=COUNT_CONNECTIONS)
            viewer.page.wait_for_selector("text=It was last on air today at", timeout=60_000)
            picture(viewer.page, "watch-offline")
            assert serious(viewer.page) == []
            with rtmp_push(f"{running.local['rtmp']}/key"):
                viewer.wait("s.playing", 60)
                assert not viewer.page.is_visible(".offline")
                other = open_page(browser, running)
                other.wait("s.playing", 30)
                # nobody has agreed
                viewer.page.wait_for_selector(".note")
                picture(viewer.page, "watch-ask")
                assert chip_of(viewer) == "from the store: not shared yet"
                assert viewer.page.evaluate("() => made") == 0
                for one in (viewer, other):
                    one.page.click(".note .yes")
                viewer.wait("s.peers === 1", 30)
                clean(running, viewer)

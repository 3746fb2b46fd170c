"""A page that stays open: what happens around it stops nobody's picture, and sharing comes back."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Route

from shoal.auth import JOIN_TOKEN_LIFETIME_S, host_name, issue_join_token
from tests.support.browser_faults import (
    CLOCK,
    DECODER,
    OLD_PLAN,
    SOCKETS,
    TIMERS,
    second_browser,
    suspended,
)
from tests.support.station import Station, wait_for
from tests.support.viewers import Viewer

SHARES = "s.ready && s.peers >= 1 && s.playing"
HOUR_MS = 3_600_000
SLEEP_S = 36
"""ICE gives a silent link up after 30 s"""
LIVE_S = 20
"""so close to live a viewer must be again"""
LATE_S = 4
"""more than that a viewer is later than it was"""


@dataclass
class Room:
    """A station with two renditions, and a viewer that others can share with."""

    station: Station
    browser: Browser
    companion: Viewer

    def newcomer(self, browser: Browser | None = None, script: str = "") -> Viewer:
        """Open a page and wait until it shares."""
        viewer = Viewer(browser or self.browser, self.station.local["watch"], script=script)
        viewer.wait(SHARES, 45)
        return viewer

    def passes(self, seconds: float) -> None:
        """Let time pass; the browser's events are handled meanwhile."""
        self.companion.page.wait_for_timeout(seconds * 1000)


@pytest.fixture(scope="module")
def room(browser: Browser, running: Station) -> Iterator[Room]:
    # a browser of its own: the companion stays from test to test
    with second_browser(browser) as (own, _):
        companion = Viewer(own, running.local["watch"])
        companion.wait("s.ready && s.playing", 45)
        yield Room(running, own, companion)


def played(viewer: Viewer, seconds: float) -> None:
    """Watch for so long, and assert that the picture went on and that peers carried some of it."""
    before = viewer.stats()
    viewer.wait(
        f"s.playing && s.position_s > {before['position_s'] + seconds}"
        f" && s.bytes.p2p > {before['bytes']['p2p']}",
        seconds + 15,
    )
    after = viewer.stats()
    assert after["stalls"] == before["stalls"]
    assert after["segments"]["bad_pieces"] == 0
    assert viewer.errors() == []


def test_a_join_token_that_is_too_old_is_renewed(room: Room) -> None:
    running = room.station
    secret = (running.data / "secrets" / "join_secret").read_text().strip()
    asked: list[str] = []

    def too_old(route: Route) -> None:
        asked.append(route.request.url)
        answer = route.fetch()
        config = answer.json()
        if len(asked) == 1:
            host = host_name(running.local["gateway"].partition("//")[2])
            long_ago = time.time() - 2 * JOIN_TOKEN_LIFETIME_S
            config["join_token"] = issue_join_token(secret, host, long_ago)
        route.fulfill(response=answer, json=config)

    context = room.browser.new_context()
    context.route("**/config.json", too_old)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text))
    page.goto(running.local["watch"])
    page.wait_for_function("() => window.shoal?.stats()?.peers >= 1", timeout=30_000, polling=100)
    assert any("token_expired" in line for line in refused)
    assert len(asked) == 2
    context.close()


@pytest.mark.long
def test_a_laptop_that_slept_is_live_again_and_shares(room: Room) -> None:
    with second_browser(room.browser) as (browser, process):
        viewer = room.newcomer(browser)
        room.passes(4)
        before = viewer.stats()
        with suspended(process):
            room.passes(SLEEP_S)
        viewer.wait(f"{SHARES} && s.latency_s < {before['latency_s'] + LATE_S}", 45)
        played(viewer, 4)
        viewer.page.close()


def test_a_network_that_goes_and_comes_back_is_used_again(room: Room) -> None:
    viewer = room.newcomer(script=SOCKETS)
    before = viewer.stats()
    viewer.page.context.set_offline(True)
    viewer.page.evaluate("() => window.sockets.forEach((socket) => socket.close())")
    room.passes(6)
    viewer.page.context.set_offline(False)
    viewer.wait(f"s.id !== {before['id']!r} && {SHARES} && s.latency_s < {LIVE_S}", 30)
    played(viewer, 4)
    # the buffer has 4 s
    assert viewer.stats()["stalls"] <= before["stalls"] + 1
    viewer.page.close()


@pytest.mark.long
def test_a_hidden_tab_plays_and_shares_on(room: Room) -> None:
    viewer = room.newcomer(script=TIMERS)
    room.passes(3)
    viewer.page.evaluate("() => { window.tabHidden = true; }")
    played(viewer, 15)
    viewer.page.close()


def test_a_clock_that_is_set_changes_nothing(room: Room) -> None:
    viewer = room.newcomer(script=CLOCK)
    for offset in (HOUR_MS, -HOUR_MS):
        viewer.page.evaluate("(ms) => { window.clockSetBy = ms; }", offset)
        played(viewer, 5)
        viewer.wait(f"s.latency_s > 0 && s.latency_s < {LIVE_S}", 5)
    viewer.page.close()


def test_where_sound_is_refused_it_starts_muted_and_says_so(room: Room) -> None:
    with second_browser(room.browser, autoplay=False) as (browser, _):
        viewer = Viewer(browser, room.station.local["watch"])
        viewer.wait("s.playing && s.position_s > 0", 30)
        muted = "document.querySelector('video').muted"
        assert viewer.page.evaluate(muted)
        sound = viewer.page.get_by_role("button", name="Turn on sound")
        sound.click(timeout=5_000)
        assert not viewer.page.evaluate(muted)
        sound.wait_for(state="hidden", timeout=5_000)
        played(viewer, 3)


def test_a_decoder_that_stumbles_goes_on_and_one_that_is_broken_is_not_hammered(
    room: Room,
) -> None:
    viewer = room.newcomer(script=DECODER)
    viewer.page.evaluate("() => { window.badAppends = 1; }")
    viewer.wait("window.badAppends === 0")
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 5}", 20)

    viewer.page.evaluate("() => { window.badAppends = 1e9; window.sources = []; }")
    room.passes(10)
    begun = viewer.page.evaluate("() => [...window.sources, performance.now()]")
    assert len(begun) > 3
    assert max(after - before for before, after in pairwise(begun)) > 3_000, begun
    viewer.page.evaluate("() => { window.badAppends = 0; }")
    viewer.wait(f"{SHARES} && s.latency_s && s.latency_s < {LIVE_S}", 45)
    # it may begin with the smaller picture, where nobody is to share with
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 4}", 15)
    assert viewer.errors() == []
    viewer.page.close()


def test_a_rendition_that_disappears_leaves_the_others(room: Room) -> None:
    viewer = room.newcomer()
    gone = [url for url in viewer.requests if url.endswith("/playlist.m3u8")][-1]
    others: list[str] = []
    viewer.page.route(gone, lambda route: route.fulfill(status=404, body="{}"))
    viewer.page.on("request", lambda request: others.append(request.url))
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 12}", 40)
    assert any(url.endswith("/playlist.m3u8") and url != gone for url in others)
    assert viewer.errors() == []
    viewer.page.close()


def test_a_page_from_before_a_deployment_plays_on_and_says_that_it_is_old(room: Room) -> None:
    viewer = Viewer(room.browser, room.station.local["watch"], script=OLD_PLAN)
    viewer.wait("s.playing && s.position_s > 3", 30)
    assert any("plan_version" in line for line in viewer.console)
    joins = [frame for frame in viewer.sent if isinstance(frame, str) and '"join"' in frame]
    assert 1 <= len(joins) <= 4
    viewer.page.get_by_text("A newer version of this page").first.wait_for(timeout=5_000)
    viewer.page.close()


def test_a_page_whose_assets_a_deployment_has_replaced_loads_itself_again(room: Room) -> None:
    context = room.browser.new_context()
    page = context.new_page()
    missing: list[str] = []
    loads: list[str] = []

    def gone(route: Route) -> None:
        missing.append(route.request.url)
        if len(missing) == 1:
            route.fulfill(status=404, body="{}")
        else:
            route.continue_()

    page.route("**/assets/controls-*.js", gone)
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    page.goto(room.station.local["watch"])

    def is_whole_again() -> bool:
        page.wait_for_timeout(200)
        whole = "() => !!customElements.get('media-controller') && window.shoal?.stats()?.playing"
        return len(loads) == 2 and page.evaluate(whole)

    wait_for("the page is loaded again", is_whole_again)
    assert len(missing) == 2
    context.close()


@pytest.mark.long
def test_a_signaling_that_is_restarted_after_hours_is_joined_with_a_new_token(room: Room) -> None:
    skip = "const now = performance.now.bind(performance); window.later = 0;"
    skip += "performance.now = () => now() + window.later;"
    viewer = room.newcomer(script=skip)
    before = viewer.stats()
    asked = sum(url.endswith("/config.json") for url in viewer.requests)
    viewer.page.evaluate("(ms) => { window.later = ms; }", 2 * HOUR_MS)
    room.station.refresh()
    os.kill(room.station.local["pids"]["signaling"], signal.SIGKILL)
    wait_for("a new token", lambda: _configs(viewer) > asked, 20)
    viewer.wait(f"s.id !== {before['id']!r} && {SHARES}", 40)
    room.companion.wait(SHARES, 30)
    viewer.page.close()


def _configs(viewer: Viewer) -> int:
    viewer.page.wait_for_timeout(100)
    return sum(url.endswith("/config.json") for url in viewer.requests)

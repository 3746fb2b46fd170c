"""A page that stays open plays on through faults around it, and shares again after them."""

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
"""ICE drops a silent link after 30 s"""
MAX_LATENCY_S = 20
"""of a viewer that has caught up"""
MAX_ADDED_LATENCY_S = 4
"""of a viewer that has caught up, over its earlier latency"""


@dataclass
class Room:
    """A station with two variants, and a viewer that others can share with."""

    station: Station
    browser: Browser
    companion: Viewer

    def join(self, browser: Browser | None = None, script: str = "") -> Viewer:
        """Open a page and wait until it shares."""
        viewer = Viewer(browser or self.browser, self.station.local["watch"], script=script)
        viewer.wait(SHARES, 45)
        return viewer

    def wait(self, seconds: float) -> None:
        """Wait while the browser handles events."""
        self.companion.page.wait_for_timeout(seconds * 1000)


@pytest.fixture(scope="module")
def room(browser: Browser, running: Station) -> Iterator[Room]:
    # its own browser, so that it stays open between tests
    with second_browser(browser) as (own, _):
        companion = Viewer(own, running.local["watch"])
        companion.wait("s.ready && s.playing", 45)
        yield Room(running, own, companion)


def assert_plays(viewer: Viewer, seconds: float) -> None:
    """Watch for some seconds; assert that the picture continued, and that peers sent some of it."""
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


def test_an_expired_join_token_is_renewed(room: Room) -> None:
    running = room.station
    secret = (running.data / "secrets" / "join_secret").read_text().strip()
    requests: list[str] = []

    def expire_token(route: Route) -> None:
        requests.append(route.request.url)
        response = route.fetch()
        config = response.json()
        if len(requests) == 1:
            host = host_name(running.local["gateway"].partition("//")[2])
            long_ago = time.time() - 2 * JOIN_TOKEN_LIFETIME_S
            config["join_token"] = issue_join_token(secret, host, long_ago)
        route.fulfill(response=response, json=config)

    context = room.browser.new_context()
    context.route("**/config.json", expire_token)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text))
    page.goto(running.local["watch"])
    page.wait_for_function("() => window.shoal?.stats()?.peers >= 1", timeout=30_000, polling=100)
    assert any("token_expired" in line for line in refused)
    assert len(requests) == 2
    context.close()


@pytest.mark.long
def test_a_laptop_that_slept_catches_up_and_shares(room: Room) -> None:
    with second_browser(room.browser) as (browser, process):
        viewer = room.join(browser)
        room.wait(4)
        before = viewer.stats()
        with suspended(process):
            room.wait(SLEEP_S)
        viewer.wait(f"{SHARES} && s.latency_s < {before['latency_s'] + MAX_ADDED_LATENCY_S}", 45)
        assert_plays(viewer, 4)
        viewer.page.close()


def test_a_network_that_was_gone_is_used_again(room: Room) -> None:
    viewer = room.join(script=SOCKETS)
    before = viewer.stats()
    viewer.page.context.set_offline(True)
    viewer.page.evaluate("() => window.sockets.forEach((socket) => socket.close())")
    room.wait(6)
    viewer.page.context.set_offline(False)
    viewer.wait(f"s.id !== {before['id']!r} && {SHARES} && s.latency_s < {MAX_LATENCY_S}", 30)
    assert_plays(viewer, 4)
    # the buffer holds 4 s
    assert viewer.stats()["stalls"] <= before["stalls"] + 1
    viewer.page.close()


@pytest.mark.long
def test_a_hidden_tab_continues_to_play_and_share(room: Room) -> None:
    viewer = room.join(script=TIMERS)
    room.wait(3)
    viewer.page.evaluate("() => { window.tabHidden = true; }")
    assert_plays(viewer, 15)
    viewer.page.close()


def test_a_changed_clock_has_no_effect(room: Room) -> None:
    viewer = room.join(script=CLOCK)
    for offset in (HOUR_MS, -HOUR_MS):
        viewer.page.evaluate("(ms) => { window.clockSetBy = ms; }", offset)
        assert_plays(viewer, 5)
        viewer.wait(f"s.latency_s > 0 && s.latency_s < {MAX_LATENCY_S}", 5)
    viewer.page.close()


def test_without_autoplay_of_sound_it_starts_muted_and_says_so(room: Room) -> None:
    with second_browser(room.browser, autoplay=False) as (browser, _):
        viewer = Viewer(browser, room.station.local["watch"])
        viewer.wait("s.playing && s.position_s > 0", 30)
        muted = "document.querySelector('video').muted"
        assert viewer.page.evaluate(muted)
        sound = viewer.page.get_by_role("button", name="Turn on sound")
        sound.click(timeout=5_000)
        assert not viewer.page.evaluate(muted)
        sound.wait_for(state="hidden", timeout=5_000)
        assert_plays(viewer, 3)


def test_a_decoder_recovers_from_an_error_and_retries_are_rare(
    room: Room,
) -> None:
    viewer = room.join(script=DECODER)
    viewer.page.evaluate("() => { window.badAppends = 1; }")
    viewer.wait("window.badAppends === 0")
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 5}", 20)

    viewer.page.evaluate("() => { window.badAppends = 1e9; window.sources = []; }")
    room.wait(10)
    times = viewer.page.evaluate("() => [...window.sources, performance.now()]")
    assert len(times) > 3
    assert max(after - before for before, after in pairwise(times)) > 3_000, times
    viewer.page.evaluate("() => { window.badAppends = 0; }")
    viewer.wait(f"{SHARES} && s.latency_s && s.latency_s < {MAX_LATENCY_S}", 45)
    # it may start with the smaller variant, which nobody else plays
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 4}", 15)
    assert viewer.errors() == []
    viewer.page.close()


def test_a_missing_variant_is_replaced_by_another(room: Room) -> None:
    viewer = room.join()
    gone = [url for url in viewer.requests if url.endswith("/playlist.m3u8")][-1]
    others: list[str] = []
    viewer.page.route(gone, lambda route: route.fulfill(status=404, body="{}"))
    viewer.page.on("request", lambda request: others.append(request.url))
    position = viewer.stats()["position_s"]
    viewer.wait(f"s.playing && s.position_s > {position + 12}", 40)
    assert any(url.endswith("/playlist.m3u8") and url != gone for url in others)
    assert viewer.errors() == []
    viewer.page.close()


def test_a_page_from_before_a_deployment_plays_on_and_says_so(room: Room) -> None:
    viewer = Viewer(room.browser, room.station.local["watch"], script=OLD_PLAN)
    viewer.wait("s.playing && s.position_s > 3", 30)
    assert any("plan_version" in line for line in viewer.console)
    joins = [frame for frame in viewer.sent if isinstance(frame, str) and '"join"' in frame]
    assert 1 <= len(joins) <= 4
    viewer.page.get_by_text("A newer version of this page").first.wait_for(timeout=5_000)
    viewer.page.close()


def test_a_page_whose_assets_were_replaced_reloads_itself(room: Room) -> None:
    context = room.browser.new_context()
    page = context.new_page()
    missing: list[str] = []
    loads: list[str] = []

    def answer_404_once(route: Route) -> None:
        missing.append(route.request.url)
        if len(missing) == 1:
            route.fulfill(status=404, body="{}")
        else:
            route.continue_()

    page.route("**/assets/controls-*.js", answer_404_once)
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    page.goto(room.station.local["watch"])

    def is_reloaded() -> bool:
        page.wait_for_timeout(200)
        loaded = "() => !!customElements.get('media-controller') && window.shoal?.stats()?.playing"
        return len(loads) == 2 and page.evaluate(loaded)

    wait_for("the page has reloaded itself", is_reloaded)
    assert len(missing) == 2
    context.close()


@pytest.mark.long
def test_signaling_restarted_after_hours_is_joined_with_a_new_token(room: Room) -> None:
    skip = "const now = performance.now.bind(performance); window.aheadMs = 0;"
    skip += "performance.now = () => now() + window.aheadMs;"
    viewer = room.join(script=skip)
    before = viewer.stats()
    config_requests = sum(url.endswith("/config.json") for url in viewer.requests)
    viewer.page.evaluate("(ms) => { window.aheadMs = ms; }", 2 * HOUR_MS)
    room.station.refresh()
    os.kill(room.station.local["pids"]["signaling"], signal.SIGKILL)
    wait_for("a new token", lambda: _count_config_requests(viewer) > config_requests, 20)
    viewer.wait(f"s.id !== {before['id']!r} && {SHARES}", 40)
    room.companion.wait(SHARES, 30)
    viewer.page.close()


def _count_config_requests(viewer: Viewer) -> int:
    viewer.page.wait_for_timeout(100)
    return sum(url.endswith("/config.json") for url in viewer.requests)

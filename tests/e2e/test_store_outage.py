"""A store that stops answering: viewers play on, from the torrent seed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.station import Station, fetch, station, wait_for
from tests.support.viewers import Viewer, chromium

OUTAGE_S = 36.0
"""nine segments: much more than a viewer has in its buffer"""
SHORT_OUTAGE_S = 20.0
NO_WEBRTC = "delete window.RTCPeerConnection"
MAX_COPIES = 1.6


def seeder_uploaded(running: Station) -> float:
    """Return the payload bytes that torrent peers took, without the canary's."""
    text = fetch(f"{running.local['broadcaster']}/metrics").decode()
    [value] = re.findall(r"^shoal_torrent_uploaded_bytes_total (\S+)$", text, re.MULTILINE)
    return float(value)


def segment_bytes(running: Station, after: int) -> int:
    """Return the bytes of segments after a media sequence number."""
    return sum(one["size"] for one in running.descriptors() if one["sequence"] > after)


def webtorrent_requests(viewer: Viewer) -> list[str]:
    """Return the page's requests for webtorrent's code."""
    return [url for url in viewer.requests if "webtorrent" in url]


@contextmanager
def silent_store(running: Station) -> Iterator[None]:
    """Stop the store, so that it accepts connections but does not answer."""
    running.refresh()
    pid = running.local["pids"]["store"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait(viewers: list[Viewer], seconds: float) -> None:
    """Wait while the browser handles events."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        viewers[0].page.wait_for_timeout(500)


def wait_seeded(running: Station) -> None:
    """Wait until the canary has fetched from the seed."""
    wait_for("the canary", lambda: running.health()["standby"] == "ok", 40)


def wait_stored(running: Station) -> None:
    """Wait until a new store is fast enough: its first write may take as long as an outage."""
    running.wait_published(3)
    wait_for("all segments are stored", lambda: all(one["stored"] for one in running.descriptors()))


def assert_played_on(
    before: dict[str, Any], after: dict[str, Any], seconds: float, stalls: int = 0
) -> None:
    """Assert that a viewer played on for `seconds`, with at most this number of stalls."""
    assert after["playing"]
    assert after["stalls"] - before["stalls"] <= stalls, (before, after)
    assert after["position_s"] - before["position_s"] > seconds - 4
    assert after["segments"]["bad_pieces"] == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with station(tmp_path_factory.mktemp("outage") / "data", "--bitrate", "600") as started:
        wait_stored(started)
        yield started


@pytest.fixture(autouse=True)
def close_viewers(browser: Browser) -> Iterator[None]:
    """Close all viewers after each test, even if it failed."""
    yield
    for context in browser.contexts:
        context.close()


def test_with_the_policy_assist_first_copies_come_from_the_seed(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_STANDBY", "assist")
    with station(tmp_path / "data", "--bitrate", "600") as running:
        wait_stored(running)
        viewers = [Viewer(browser, running.local["watch"]) for _ in range(3)]
        for viewer in viewers:
            viewer.wait("s.ready && s.peers === 2 && s.playing", 60)
        # the first ones are slower, because webtorrent must be loaded
        running.wait_published(running.published() + 3)
        before = [viewer.stats() for viewer in viewers]
        running.wait_published(running.published() + 5, 60)
        wait(viewers, 3)
        after = [viewer.stats() for viewer in viewers]
        got = {
            source: sum(
                two["bytes"][source] - one["bytes"][source]
                for one, two in zip(before, after, strict=True)
            )
            for source in ("p2p", "store", "seed")
        }
        print(f"\nassist: {got}")  # noqa: T201
        assert got["seed"] > 2 * got["store"]
        assert got["p2p"] > got["seed"]
        for one, two in zip(before, after, strict=True):
            assert two["stalls"] == one["stalls"]
        assert [viewer.errors() for viewer in viewers] == [[], [], []]


def test_three_viewers_play_on_with_one_copy_from_the_seed(
    browser: Browser, running: Station
) -> None:
    viewers = [Viewer(browser, running.local["watch"]) for _ in range(3)]
    for viewer in viewers:
        viewer.wait("s.ready && s.peers === 2 && s.playing", 60)
    running.wait_published(running.published() + 3)
    wait_seeded(running)
    assert [webtorrent_requests(viewer) for viewer in viewers] == [[], [], []]
    before = [viewer.stats() for viewer in viewers]
    newest, uploaded = running.descriptors()[-1]["sequence"], seeder_uploaded(running)

    with silent_store(running):
        wait(viewers, OUTAGE_S)
        during = [viewer.stats() for viewer in viewers]
        copies = (seeder_uploaded(running) - uploaded) / segment_bytes(running, newest)
        assert running.health()["store"] == "failing"
    print(f"\n{OUTAGE_S:.0f} s without the store: {copies:.2f} copies from the seeder")  # noqa: T201
    for one, two in zip(before, during, strict=True):
        assert_played_on(one, two, OUTAGE_S)
        assert two["bytes"]["seed"] > 0
        assert two["bytes"]["p2p"] > one["bytes"]["p2p"]
    assert copies <= MAX_COPIES

    # afterwards the store is used again, and the seed no longer
    wait_for("the store is back", lambda: running.health()["store"] == "ok", 20)
    for viewer, stats in zip(viewers, during, strict=True):
        viewer.wait(f"s.bytes.store > {stats['bytes']['store'] + 100_000}", 40)
    seeded = [viewer.stats()["bytes"]["seed"] for viewer in viewers]
    running.wait_published(running.published() + 2)
    for viewer, one, seed in zip(viewers, before, seeded, strict=True):
        now = viewer.stats()
        assert now["bytes"]["seed"] == seed
        assert now["stalls"] == one["stalls"]
        assert len(webtorrent_requests(viewer)) == 1
        assert viewer.errors() == []
    assert running.origin_video_bytes() == 0


def test_a_single_viewer_plays_on_and_one_without_webrtc_learns_why_not(
    browser: Browser, running: Station
) -> None:
    alone = Viewer(browser, running.local["watch"])
    without = Viewer(browser, running.local["watch"], script=NO_WEBRTC)
    alone.wait("s.ready && s.members === 1 && s.playing", 60)
    without.wait("s.playing", 60)
    running.wait_published(running.published() + 3)
    wait_seeded(running)
    before = alone.stats()
    newest, uploaded = running.descriptors()[-1]["sequence"], seeder_uploaded(running)

    with silent_store(running):
        wait([alone], SHORT_OUTAGE_S)
        during = alone.stats()
        copies = (seeder_uploaded(running) - uploaded) / segment_bytes(running, newest)
        chip = without.page.locator("#sharing").inner_text()
    # without a pusher, its first torrent may arrive just after its buffer is empty
    assert_played_on(before, during, SHORT_OUTAGE_S, stalls=1)
    assert during["bytes"]["seed"] > 0
    assert copies <= MAX_COPIES
    assert chip == "the store is not responding, and this browser has no WebRTC"
    assert webtorrent_requests(without) == []
    # it resumes when the store is back
    position = without.stats()["position_s"]
    without.wait(f"s.playing && s.position_s > {position + 4}", 60)
    assert alone.errors() == without.errors() == []

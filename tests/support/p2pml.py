"""Viewers on /p2pml, the page with another player: p2p-media-loader."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from tests.support.station import Station, wait_for
from tests.support.viewers import Viewer


def announced(viewer: Viewer) -> set[str]:
    """Return the infohashes that a page has announced."""
    messages = [json.loads(frame) for frame in viewer.sent]
    return {message["info_hash"] for message in messages if message["action"] == "announce"}


def total(all_stats: Sequence[Mapping[str, Any]], source: str) -> int:
    """Return the bytes that all pages together have from a source."""
    return sum(stats[source] for stats in all_stats)


def settled_total(viewers: Sequence[Viewer], source: str) -> int:
    """Return the same after a moment in which the pages handle their events."""
    viewers[0].page.wait_for_timeout(200)
    return total([viewer.stats() for viewer in viewers], source)


def assert_shared(browser: Browser, running: Station, count: int, swarms: frozenset[str]) -> None:
    """Assert that `count` viewers share, only in these swarms, without errors."""
    gateway = running.local["gateway"]
    viewers = [Viewer(browser, f"{gateway}/p2pml", hook="p2pml") for _ in range(count)]
    for viewer in viewers:
        viewer.wait(f"s.playing && s.peers >= {count - 1}")
    before = [viewer.stats() for viewer in viewers]
    # by chance the library may let one viewer go on fetching for all the others
    wait_for(
        "segments from peers", lambda: settled_total(viewers, "p2p") > total(before, "p2p"), 60
    )
    after = [viewer.stats() for viewer in viewers]
    assert total(after, "http") > 0

    assert sum(stats["uploaded"] for stats in after) > 0
    assert all(stats["playing"] and stats["latency_s"] > 0 for stats in after)
    assert [(stats["stalls"], stats["refused"]) for stats in after] == [(0, 0)] * count
    own = {urlsplit(url).netloc for url in (gateway, running.local["store"])}
    for viewer in viewers:
        assert viewer.errors() == []
        assert {urlsplit(url).netloc for url in viewer.requests + viewer.sockets} == own
        assert [urlsplit(url).path for url in viewer.sockets] == ["/ws"]
        assert announced(viewer) <= swarms
        # the watch page's code is not loaded
        assert viewer.page.evaluate("() => window.shoal === undefined")
    assert set[str]().union(*map(announced, viewers))
    assert running.origin_video_bytes() == 0

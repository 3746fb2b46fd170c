"""A tab that plays an hour's segments, at five times the rate, does not grow."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.support.station import station
from tests.support.viewers import Viewer, chromium

HOUR_SEGMENTS = 720
"""as many as an hour has of 5 s; here they have 1 s"""
SAMPLE_S = 15.0
SETTLED_S = 120.0
"""until window, buffers and caches are full"""
MAX_GROWTH_BYTES = 2_000_000
MAX_GROWTH_NODES = 50


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_tab_does_not_grow_in_an_hour(tmp_path: Path) -> None:
    options = ("--bitrate", "300", "--segment-seconds", "1")
    with station(tmp_path / "data", *options) as running, chromium() as browser:
        viewers = [Viewer(browser, running.local["watch"]) for _ in range(2)]
        for viewer in viewers:
            viewer.wait("s.ready && s.peers === 1 && s.playing", 60)
        first = viewers[0]
        cdp = first.page.context.new_cdp_session(first.page)

        def sample() -> dict[str, Any]:
            first.page.wait_for_timeout(SAMPLE_S * 1000)
            cdp.send("HeapProfiler.collectGarbage")
            return {**cdp.send("Runtime.getHeapUsage"), **cdp.send("Memory.getDOMCounters")}

        before = first.stats()
        for _ in range(int(SETTLED_S / SAMPLE_S)):
            sample()
        samples = [sample() for _ in range(int((HOUR_SEGMENTS - SETTLED_S) / SAMPLE_S))]
        after = first.stats()
        third = len(samples) // 3

        def growth(name: str) -> float:
            """Return the growth between the medians of the first and the last third."""
            early = median(one[name] for one in samples[:third])
            return median(one[name] for one in samples[-third:]) - early

        print({name: growth(name) for name in samples[0]}, samples[-1])  # noqa: T201
        assert growth("usedSize") < MAX_GROWTH_BYTES
        assert growth("backingStorageSize") < MAX_GROWTH_BYTES
        assert growth("nodes") < MAX_GROWTH_NODES
        assert growth("jsEventListeners") < MAX_GROWTH_NODES
        assert after["segments"]["complete"] - before["segments"]["complete"] > HOUR_SEGMENTS * 0.9
        assert after["stalls"] - before["stalls"] <= 1
        assert after["playing"]
        assert first.errors() == []

"""A tab that stays open: an hour's segments, five times as fast, leave nothing behind."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.support.station import station
from tests.support.viewers import Viewer, chromium

HOUR_SEGMENTS = 720
"""of 5 s; here they have 1 s each"""
SAMPLE_S = 15.0
SETTLED_S = 120.0
"""the window, buffers and caches are full then"""
MAX_GROWTH_BYTES = 2_000_000
MAX_GROWTH_NODES = 50


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_an_hour_in_a_tab_leaves_nothing_behind(tmp_path: Path) -> None:
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

        def growth(figure: str) -> float:
            """From the first third to the last."""
            early = median(one[figure] for one in samples[:third])
            return median(one[figure] for one in samples[-third:]) - early

        print({figure: growth(figure) for figure in samples[0]}, samples[-1])  # noqa: T201
        assert growth("usedSize") < MAX_GROWTH_BYTES
        assert growth("backingStorageSize") < MAX_GROWTH_BYTES
        assert growth("nodes") < MAX_GROWTH_NODES
        assert growth("jsEventListeners") < MAX_GROWTH_NODES
        assert after["segments"]["complete"] - before["segments"]["complete"] > HOUR_SEGMENTS * 0.9
        assert after["stalls"] - before["stalls"] <= 1
        assert after["playing"]
        assert first.errors() == []

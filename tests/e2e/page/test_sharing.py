"""What the page tells a viewer about sharing, and how it obeys the viewer's choices."""

import json
import operator
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.pages import COUNT_CONNECTIONS, assert_clean, chip_text, open_page
from tests.support.screenshots import screenshot
from tests.support.station import Station, fetch, wait_for
from tests.support.viewers import Viewer, settled


def test_turning_sharing_off_closes_all_connections(browser: Browser, running: Station) -> None:
    other = open_page(browser, running)
    viewer = open_page(browser, running, script=COUNT_CONNECTIONS)
    viewer.wait("s.playing && s.peers === 1", 45)
    before = viewer.stats()
    viewer.page.click("#sharing")
    viewer.page.click("text=Share with other viewers")
    viewer.wait("s.hindrance === 'off' && s.peers === 0 && s.playing")
    other.wait("s.peers === 0")
    made = viewer.page.evaluate("() => made")
    assert chip_text(viewer) == "from the store: sharing is off"
    screenshot(viewer.page, "watch-laptop-off")
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
    assert_clean(running, viewer)


def test_the_upload_limit_is_kept(browser: Browser, running: Station) -> None:
    script = (
        """localStorage.setItem("shoal.preferences", '{"uploadLimitMbps": 0.05, "noted": true}')"""
    )
    viewer = open_page(browser, running, script=script)
    for _ in range(2):
        open_page(browser, running)
    viewer.wait("s.playing && s.peers === 2", 45)
    before, started_at = viewer.stats()["uploaded"], time.monotonic()
    running.wait_published(running.published() + 4)
    sent_bps = (viewer.stats()["uploaded"] - before) * 8 / (time.monotonic() - started_at)
    # a piece that exceeds the limit may be started, and counts in full
    assert sent_bps <= 2 * 50_000 + 16 * 1024 * 8


def store_bytes(running: Station) -> int:
    text = fetch(running.local["store_metrics"]).decode()
    lines = [line for line in text.splitlines() if "traffic_sent_bytes_total{" in line]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def test_the_chip_agrees_with_the_store(browser: Browser, running: Station) -> None:
    """The displayed share matches the bytes that the object store has sent."""
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
    # after start-up, bytes that the store did not send came from viewers
    by_store = 1 - (sent - startup_store) / (received - startup)
    shown: list[int] = []
    for viewer in viewers:
        # the chip is updated once a second, while segments arrive
        viewer.page.wait_for_function(
            "() => parseInt(document.querySelector('.chip').textContent) ==="
            " Math.floor(shoal.stats().share * 100)"
        )
        text = chip_text(viewer)
        match = re.fullmatch(r"(\d+)% from 2 viewers", text)
        assert match, text
        shown.append(int(match[1]))
    steady = [sum(one["bytes"].values()) - sum(one["startup"].values()) for one in stats]
    weighted = sum(map(operator.mul, shown, steady)) / sum(steady)
    # rounded down by up to 1 %; a segment may be under way between the two readings
    assert abs(weighted - by_store * 100) <= 5, (shown, by_store)
    assert sum(one["bytes"]["store"] for one in stats) == pytest.approx(sent, rel=0.06)


PANEL_STATS = """() => {
  const rows = [...document.querySelectorAll("[data-stat]")];
  const shown = Object.fromEntries(rows.map((row) => [row.dataset.stat, row.textContent]));
  return [shown, shoal.stats()];
}"""
BYTES_PER_UNIT = {"B": 1, "kB": 1e3, "MB": 1e6}


def parse_bytes(text: str) -> float:
    number, unit, *_ = text.split()
    return float(number) * BYTES_PER_UNIT[unit]


def matching_stats(viewer: Viewer) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the panel's rows and the page's stats, at a moment when their bytes match.

    The panel is updated once a second with two digits, and bytes arrive in between: early in a
    stream, one segment is half of them.
    """
    viewer.page.wait_for_selector("[data-stat=store]")
    deadline = time.monotonic() + 15
    while True:
        rows, stats = viewer.page.evaluate(PANEL_STATS)
        counts = {**stats["bytes"], "sent": stats["uploaded"], "saved": stats["bytes"]["p2p"]}
        counts["viewers"] = counts.pop("p2p")
        different = {
            row: (rows[row], count)
            for row, count in counts.items()
            if parse_bytes(rows[row]) != pytest.approx(count, rel=0.06)
        }
        if not different:
            return rows, stats
        assert time.monotonic() < deadline, different
        viewer.page.wait_for_timeout(100)


def test_the_panel_shows_the_stats(browser: Browser, running: Station) -> None:
    viewers = [open_page(browser, running) for _ in range(2)]
    for viewer in viewers:
        viewer.wait("s.playing && s.peers === 1 && s.bytes.p2p > 0 && s.uploaded > 0", 45)
    viewers[0].page.click("#sharing")
    rows, stats = matching_stats(viewers[0])
    assert rows["peers"] == "1 viewer"
    assert rows["room"] == f"{stats['room']} (2 viewers)"
    assert rows["dropped"] == str(stats["dropped_frames"])
    for row, key in (("latency", "latency_s"), ("buffer", "buffer_s")):
        assert float(rows[row].removesuffix(" s")) == pytest.approx(stats[key], abs=2.5), row
    assert re.match(r"↓ [\d.]+ [kM]bit/s, ↑ ", rows["speed"])
    assert any(re.search(r"[1-9]", part) for part in rows["speed"].split(","))


def test_settings_reach_the_page(running: Station) -> None:
    config = json.loads(fetch(f"{running.local['gateway']}/config.json"))
    assert (config["consent"], config["title"]) == ("notice", "Shoal")

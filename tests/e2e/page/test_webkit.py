"""Debian's WebKitGTK has no WebRTC: it plays from the store, and the page says so."""

from pathlib import Path

from tests.support.screenshots import save_png
from tests.support.station import Station
from tests.support.webkit import launched

CHIP = "document.querySelector('#sharing').textContent"


def test_webkit_plays_from_the_store_and_the_page_says_why(
    running: Station, tmp_path: Path
) -> None:
    with launched(tmp_path / "webkit") as tab:
        tab.open(running.local["watch"])
        start = tab.wait("s.playing")["position_s"]
        stats = tab.wait(f"s.playing && s.position_s > {start + 4}")
        # hls.js prefers it, as in Safari
        assert tab.evaluate("typeof ManagedMediaSource") == "function"
        assert stats["hindrance"] == "no WebRTC"
        assert stats["bytes"]["store"] > 0
        assert stats["bytes"]["p2p"] == stats["peers"] == 0
        assert tab.evaluate(CHIP) == "from the store: this browser has no WebRTC"
        save_png(tab.screenshot(), "watch-webkit")

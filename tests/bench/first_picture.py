"""`make bench-first-picture`: how soon a page shows its picture, with rooms and with hls.js alone.

Two viewers share a running local station. The watch page and `/p2pml?settings=plain` are opened in
turns, `--loads` times (20) each, as by somebody who comes for the first time, and closed once they
have a picture. From the page's opening to the first decoded frame, milliseconds.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.bench.record import record
from tests.bench.swarm_cases import ENGINES
from tests.support.station import station
from tests.support.viewers import Viewer, chromium

STREAM = ("--bitrate", "1100")
PUBLISHED = 6
"""segments, so that a player has the choice where to begin"""


def load_ms(browser: Browser, url: str, hook: str) -> int:
    """Open a page, wait for its picture, and close it."""
    viewer = Viewer(browser, url, hook=hook)
    viewer.wait("s.first_picture_ms !== null")
    took: int = viewer.stats()["first_picture_ms"]
    viewer.page.context.close()
    return took


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=20, help="of each page [%(default)s]")
    loads: int = parser.parse_args().loads
    took: dict[str, list[int]] = {"rooms": [], "plain": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        station(Path(folder) / "data", *STREAM) as running,
        chromium() as browser,
    ):
        running.wait_published(PUBLISHED)
        others = [Viewer(browser, running.local["watch"]) for _ in range(2)]
        for viewer in others:
            viewer.wait("s.ready && s.peers === 1 && s.playing", 60)
        for _ in range(loads):
            for name, times in took.items():
                page = ENGINES[name]
                times.append(load_ms(browser, running.local["gateway"] + page.path, page.hook))
    figures: dict[str, Any] = {
        f"{name}_ms": statistics.median(times) for name, times in took.items()
    }
    figures |= {f"{name}_all_ms": times for name, times in took.items()}
    record("first-picture", figures, [(name, str(value)) for name, value in figures.items()])


if __name__ == "__main__":
    main()

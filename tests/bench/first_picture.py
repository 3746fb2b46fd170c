"""`make bench-first-picture`: time to the first picture, with rooms and with hls.js alone.

Two viewers share a local station. The watch page and `/p2pml?settings=plain` are opened in turn,
`--loads` times (20) each, with an empty cache, and closed once they show a picture. Measures the
time from opening the page to the first decoded frame, milliseconds.
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
"""segments, so that a player can choose where to begin"""


def load_ms(browser: Browser, url: str, hook: str) -> int:
    """Open a page, wait for its picture, close it; return the time to the picture."""
    viewer = Viewer(browser, url, hook=hook)
    viewer.wait("s.first_picture_ms !== null")
    ms: int = viewer.stats()["first_picture_ms"]
    viewer.page.context.close()
    return ms


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--loads", type=int, default=20, help="how often each page is opened [%(default)s]"
    )
    loads: int = parser.parse_args().loads
    loaded_ms: dict[str, list[int]] = {"rooms": [], "plain": []}
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
            for name, times in loaded_ms.items():
                page = ENGINES[name]
                times.append(load_ms(browser, running.local["gateway"] + page.path, page.hook))
    results: dict[str, Any] = {
        f"{name}_ms": statistics.median(times) for name, times in loaded_ms.items()
    }
    results |= {f"{name}_all_ms": times for name, times in loaded_ms.items()}
    record("first-picture", results, [(name, str(value)) for name, value in results.items()])


if __name__ == "__main__":
    main()

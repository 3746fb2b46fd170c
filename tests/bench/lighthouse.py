"""`make lighthouse`: Lighthouse's scores of the watch page on a local station.

Scores are medians of a few audits, because other load on the machine counts against the page, for a
phone four times. `processor` is Lighthouse's own measure of the machine's speed during the audits.

Lighthouse is large and nothing else needs it, so npm fetches it for this run only.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.bench.record import record
from tests.support import chromium
from tests.support.station import station

VERSION = "13.5.0"
NPM = Path(__file__).parents[2] / "tools/npm"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
JUDGED = ("performance", "accessibility")
MIN_SCORE = 95
RUNS = 3
TIMEOUT_S = 240


def audit(url: str, preset: str, output: Path) -> dict[str, Any]:
    """Return Lighthouse's report on a page, as a phone or a desktop."""
    with sync_playwright() as playwright:
        browser = chromium.executable(playwright)
    flags = "--headless=new --no-sandbox --disable-gpu"
    command = [
        *(str(NPM), "exec", "--yes", "--ignore-scripts", f"--package=lighthouse@{VERSION}", "--"),
        *("lighthouse", url, "--quiet", f"--chrome-flags={flags}", "--output=json"),
        *(f"--output-path={output}", f"--only-categories={','.join(CATEGORIES)}"),
        *(["--preset=desktop"] if preset == "desktop" else []),
    ]
    environment = {**os.environ, "CHROME_PATH": browser or "", "CI": "1"}
    subprocess.run(command, check=True, timeout=TIMEOUT_S, env=environment)
    return json.loads(output.read_text())


def main() -> int:
    """Print the scores; return 1 if one of those in JUDGED is too low."""
    results: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        station(Path(folder) / "data", "--bitrate", "1000") as running,
    ):
        running.wait_published(3)
        for preset in ("desktop", "mobile"):
            output = Path(folder) / f"{preset}.json"
            reports = [audit(running.local["watch"], preset, output) for _ in range(RUNS)]
            for name in CATEGORIES:
                scores = [report["categories"][name]["score"] or 0.0 for report in reports]
                results[f"{preset} {name}"] = 100 * statistics.median(scores)
            speeds = [report["environment"]["benchmarkIndex"] for report in reports]
            results[f"{preset} processor"] = statistics.median(speeds)
            for one in reports[-1]["audits"].values():
                if one["score"] is not None and one["score"] < 0.9:
                    sys.stdout.write(f"{preset}: {one['id']}: {one.get('displayValue', '')}\n")
    record("lighthouse", results, [(name, f"{score:.0f}") for name, score in results.items()])
    low = [
        name for name, score in results.items() if name.split()[1] in JUDGED and score < MIN_SCORE
    ]
    if low:
        sys.stderr.write(f"Lighthouse scores below {MIN_SCORE}: {', '.join(low)}\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())

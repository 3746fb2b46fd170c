"""Benches are make targets of their own; a short run shows that they still work."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_station_bench_writes_its_figures(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.bench.station", "--minutes", "0.3"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=170,
    )
    written = json.loads((tmp_path / ".bench" / "station.json").read_text())
    assert written["name"] == "station"
    assert written["figures"]["origin_bytes"] == 0
    assert written["figures"]["share"] > 0.5
    assert 0 < written["figures"]["publish_delay_ms_p50"] < 2000

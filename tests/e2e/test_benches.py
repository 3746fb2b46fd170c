"""Benches are make targets of their own; a short run shows that they still work."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

NUMBERS = (
    *("first_segment_s", "share", "limit", "copies", "behind_live_s", "stalls"),
    *("first_picture_ms", "completion_ms", "publish_delay_ms_p50", "publish_delay_ms_worst"),
    *("origin_bytes", "minutes"),
)
SERVICES = {"broadcaster", "signaling", "site", "store", "encoder"}


def test_the_station_bench_writes_its_figures(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.bench.station", "--minutes", "0.3", "--bitrate", "300"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=170,
    )
    written = json.loads((tmp_path / ".bench" / "station.json").read_text())
    assert set(written) == {"name", "at", "machine", "load", "figures"}
    assert written["name"] == "station"
    figures = written["figures"]
    assert set(figures) == {*NUMBERS, "memory_mb", "cpu_pct"}
    for name in NUMBERS:
        assert isinstance(figures[name], int | float), name
    for name in ("memory_mb", "cpu_pct"):
        assert set(figures[name]) == SERVICES
    assert figures["origin_bytes"] == 0


def test_the_signaling_bench_writes_its_figures(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.bench.signaling", "--quick"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    figures = json.loads((tmp_path / ".bench" / "signaling.json").read_text())["figures"]
    for name in ("shoal", "bittorrent_tracker"):
        assert figures[f"messages_per_s_{name}_200"] > 0, name
        assert 5 < figures[f"messages_per_announce_{name}_200"] < 14, name
    assert figures["ratio_to_bittorrent_tracker_200"] > 0
    assert 0 < figures["relay_p50_ms"] <= figures["relay_p99_ms"]
    assert figures["idle_kb_per_connection"] > 0
    assert figures["join_storm_refused"] == 0, figures["join_storm_reasons"]
    assert 0 < figures["join_storm_all_in_s"] < 30

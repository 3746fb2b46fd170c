"""A short run of each bench, to show that it still works."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.bench import network, swarm
from tests.bench.swarm_results import MEASURES
from tests.support.station import (
    assert_none_running,
    marked_environment,
    marked_processes,
    wait_for,
)

ROOT = Path(__file__).parents[2]

NUMBERS = (
    *("first_segment_s", "share", "limit", "copies", "behind_live_s", "stalls"),
    *("first_picture_ms", "completion_ms", "publish_delay_ms_p50", "publish_delay_ms_worst"),
    *("origin_bytes", "minutes"),
)
SERVICES = {"broadcaster", "signaling", "site", "store", "encoder"}


def run_bench(module: str, *arguments: str, folder: Path, timeout_s: float) -> dict[str, Any]:
    """Run a bench in a folder; return the content of its JSON file."""
    subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=timeout_s,
    )
    return json.loads((folder / ".bench" / f"{module.replace('_', '-')}.json").read_text())


def test_the_station_bench_writes_its_results(tmp_path: Path) -> None:
    short = ("--minutes", "0.2", "--bitrate", "300", "--segment-seconds", "2")
    written = run_bench("station", *short, folder=tmp_path, timeout_s=170)
    assert set(written) == {"name", "at", "machine", "load", "figures"}
    assert written["name"] == "station"
    results = written["figures"]
    assert set(results) == {*NUMBERS, "memory_mb", "cpu_pct"}
    for name in NUMBERS:
        assert isinstance(results[name], int | float), name
    for name in ("memory_mb", "cpu_pct"):
        assert set(results[name]) == SERVICES
    assert results["origin_bytes"] == 0


def test_the_first_picture_bench_writes_its_results(tmp_path: Path) -> None:
    written = run_bench("first_picture", "--loads", "1", folder=tmp_path, timeout_s=120)
    results = written["figures"]
    for name in ("rooms", "plain"):
        assert [results[f"{name}_ms"]] == results[f"{name}_all_ms"]
        assert results[f"{name}_ms"] > 0


def test_the_signaling_bench_writes_its_results(tmp_path: Path) -> None:
    results = run_bench("signaling", "--quick", folder=tmp_path, timeout_s=120)["figures"]
    for name in ("shoal", "bittorrent_tracker"):
        assert results[f"messages_per_s_{name}_200"] > 0, name
        assert 5 < results[f"messages_per_announce_{name}_200"] < 14, name
    assert results["ratio_to_bittorrent_tracker_200"] > 0
    assert 0 < results["relay_p50_ms"] <= results["relay_p99_ms"]
    assert results["idle_kb_per_connection"] > 0
    assert results["join_storm_refused"] == 0, results["join_storm_reasons"]
    assert 0 < results["join_storm_all_in_s"] < 30


def test_the_broadcaster_bench_writes_its_results(tmp_path: Path) -> None:
    written = run_bench("broadcaster", "--quick", folder=tmp_path, timeout_s=170)
    assert set(written) == {"name", "at", "machine", "load", "figures"}
    results = written["figures"]
    for name in ("publish_delay_ms_p50", "publish_delay_ms_p99", "playlist_p99_ms"):
        assert results[name] > 0, name
    assert results["playlist_rps"] > 1000
    assert -50 < results["soak_memory_growth_pct"] < 50
    assert results["soak_segments"] == results["soak_spooled_files"] == 60
    assert results["soak_torrents_most"] > 0


@pytest.fixture
def swarm_environment() -> Iterator[dict[str, str]]:
    """The environment of a swarm bench; it must leave no process and no file behind."""
    # a short path, because browsers put sockets there
    with tempfile.TemporaryDirectory() as temporary:
        chosen = {"CASES": "short_8", "ENGINES": "rooms,plain", "RUNS": "1"}
        environment = {
            **marked_environment(),
            **chosen,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": temporary,
        }
        yield environment
        assert_none_running(environment)
        assert not list(Path(temporary).iterdir())


SWARM = [sys.executable, "-m", "tests.bench.swarm", "--viewers", "2", "--seconds", "6"]


def test_the_swarm_bench_writes_its_results(
    tmp_path: Path, swarm_environment: dict[str, str]
) -> None:
    subprocess.run(SWARM, cwd=tmp_path, env=swarm_environment, check=True, timeout=170)
    results = json.loads((tmp_path / ".bench" / "swarm.json").read_text())["figures"]
    assert set(results) == {"short_8"}
    assert set(results["short_8"]) == {"rooms", "plain"}
    for outcome in results["short_8"].values():
        # a run during which the machine was too busy is not in the medians
        assert outcome["counted"] or outcome["too_busy"]
        assert outcome["network"] == ("loopback" if network.missing() else "namespaces")
        for run in outcome["runs"]:
            assert run.keys() >= set(MEASURES)
            assert (run["ready"], run["playing"], run["limit"]) == (2, 2, 0.5)
            assert run["behind_live_s"] > 0
            assert run["first_picture_ms"] > 0
            assert run["cpu_pct"] > 0
            assert run["origin_bytes"] == 0
    rooms, plain = results["short_8"]["rooms"]["runs"][-1], results["short_8"]["plain"]["runs"][-1]
    assert 0 < rooms["share"] <= 0.6
    assert plain["share"] == 0
    assert rooms["copies"] < plain["copies"]


def test_the_swarm_bench_runs_headless_viewers(
    tmp_path: Path, swarm_environment: dict[str, str]
) -> None:
    # with two signaling processes, but in one room
    environment = {**swarm_environment, "CASES": "headless_48", "ENGINES": "rooms"}
    options = ["--viewers", "4", "--seconds", "6", "--segment-seconds", "2"]
    command = [sys.executable, "-m", "tests.bench.swarm", *options]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
    results = json.loads((tmp_path / ".bench" / "swarm.json").read_text())["figures"]
    for run in results["headless_48"]["rooms"]["runs"]:
        assert run.keys() >= set(MEASURES)
        assert (run["ready"], run["playing"], run["rooms"]) == (4, 4, [4])
        assert 0.5 < run["share"] <= 0.8
        assert run["fed"] > 4
        assert 0 < run["cpu_pct"] < 100
        assert run["behind_live_s"] > 0
        assert run["origin_bytes"] == 0


def path_without(tool: str) -> str:
    """Return PATH without the folders that contain a tool."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not shutil.which(tool, path=folder))


def has_browser(environment: dict[str, str]) -> bool:
    """Return whether a browser with this environment runs."""
    commands = [Path(f"/proc/{pid}/cmdline") for pid in marked_processes(environment)]
    with suppress(OSError):
        return any(b"--remote-debugging-pipe" in command.read_bytes() for command in commands)
    return False


@pytest.mark.parametrize("mode", ["default", "loopback"])
def test_a_stopped_swarm_bench_leaves_nothing_behind(
    tmp_path: Path, swarm_environment: dict[str, str], mode: str
) -> None:
    environment = dict(swarm_environment)
    if mode == "loopback":
        environment["PATH"] = path_without("tc")
    output = tmp_path / "output"
    with output.open("wb") as file:
        bench = subprocess.Popen(
            SWARM, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        wait_for("a browser", lambda: has_browser(environment), 60)
        bench.send_signal(signal.SIGTERM)
        assert bench.wait(30) == swarm.STOP_STATUS
    finally:
        bench.kill()
        bench.wait()
    text = output.read_text()
    assert "Traceback" not in text
    assert ("all viewers are on loopback" in text) == (
        mode == "loopback" or bool(network.missing())
    )

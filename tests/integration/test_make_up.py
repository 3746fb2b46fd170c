"""`make` as people use it: `make up` until Ctrl-C, and on machines unlike ours."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.station import (
    ANY_PORTS,
    assert_none_running,
    fetch,
    marked_environment,
    marked_processes,
    wait_for,
)

ROOT = Path(__file__).parents[2]


def test_ctrl_c_in_the_terminal_ends_make_and_all_its_processes(tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "output"
    arguments = [*ANY_PORTS, "--data", str(data), "--bitrate", "300", "--segment-seconds", "1"]
    environment = marked_environment()
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["make", "up", f"ARGS={' '.join(arguments)}"],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    try:
        local = data / "local.json"
        wait_for("up, or ended", lambda: local.exists() or process.poll() is not None, 150)
        assert process.poll() is None, output.read_text()
        assert b".ts" in fetch(json.loads(local.read_text())["playlist"])
        assert len(marked_processes(environment)) >= 7
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
        process.wait(20)
    finally:
        assert_none_running(environment)
        process.wait()
    printed = output.read_text()
    assert "Traceback" not in printed
    assert "Ctrl-C stops the station" in printed
    assert "stopping" in printed
    assert not local.exists()


def test_an_old_python_is_reported_before_anything_is_made(tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", "--silent", f"PYTHON={old}", f"VENV={venv}", f"{venv}/bin/uv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"{old} is not Python 3.11 or newer" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
    assert not venv.exists()


def test_the_checkout_path_may_contain_a_space(tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    for folder in ("tools", "player/node_modules", "player/tests", "player/src"):
        (checkout / folder).mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", checkout)
    npm = checkout / "tools/npm"
    npm.write_text('#!/bin/sh\necho "$PWD: $1"\n')
    npm.chmod(0o755)
    target = "player/node_modules/.package-lock.json"
    for name in ("player/package-lock.json", "player/tests/x.test.ts", "player/src/x.ts"):
        (checkout / name).touch()
    done = subprocess.run(
        ["make", "--silent", "--old-file=.venv/local.stamp", target],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{checkout}/player: ci\n", done.stderr
    database = subprocess.run(
        ["make", "--dry-run", "--print-data-base", "clean"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    sources = next(x for x in database.stdout.splitlines() if x.startswith("PLAYER_SOURCES"))
    assert sorted(sources.split()[2:]) == ["player/package-lock.json", "player/src/x.ts"]

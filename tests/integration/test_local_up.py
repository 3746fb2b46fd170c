"""`shoal up` as people use it: errors are one line, and no process is left behind."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from shoal.errors import OperatorError
from shoal.local import up as local_up
from shoal.local.options import Options
from tests.support.station import (
    ANY_PORTS,
    FFMPEG,
    MARK,
    SHOAL,
    assert_none_running,
    fetch,
    marked_environment,
    marked_processes,
    wait_for,
)


def up(data: Path, *options: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    command = [*SHOAL, "up", *ANY_PORTS, "--data", str(data), *options]
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    return subprocess.Popen(
        command, stdout=pipe, stderr=out, text=True, start_new_session=True, env=env
    )


def test_a_port_in_use_is_reported_with_its_owner_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = up(tmp_path / "data", "--port", str(port))
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(output.splitlines()) == 1
    assert f"port {port} is in use by" in output
    assert f"(pid {os.getpid()})" in output
    assert "--port" in output
    assert not (tmp_path / "data").exists()


def test_a_killed_service_restarts_and_a_killed_up_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = marked_environment()
    process = up(data, "--segment-seconds", "1", "--bitrate", "300", env=environment)
    try:
        local = data / "local.json"
        wait_for("the station", local.exists, 60)
        described = json.loads(local.read_text())
        assert set(described) == {
            *("gateway", "broadcaster", "signaling", "site", "store", "owncast", "rtmp"),
            *("playlist", "watch", "hls_dir", "pids", "metrics", "store_metrics"),
        }
        assert Path(described["hls_dir"]).is_dir()
        assert json.loads(fetch(f"{described['broadcaster']}/health"))["chunks"] >= 1
        assert b".ts" in fetch(described["playlist"])
        pids = described["pids"]
        assert set(pids) == {"broadcaster", "signaling", "site", "store", "encoder"}

        second = up(data)
        output, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"in use by another `shoal up` (pid {process.pid})" in output

        os.kill(pids["encoder"], signal.SIGKILL)
        encoder = wait_for(
            "the encoder has restarted",
            lambda: (
                json.loads(local.read_text())["pids"].get("encoder", pids["encoder"])
                != pids["encoder"]
            ),
        )
        assert encoder
        assert len(marked_processes(environment)) >= 6
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        printed = process.stdout.read()
        process.stdout.close()
        for port in json.loads((data / "ports.json").read_text()).values():
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # as the next run would
                path.unlink()
    assert_none_running(environment)
    assert "encoder ended (killed by SIGKILL), restarting in 2 s" in printed


def test_ctrl_c_during_startup_stops_everything(tmp_path: Path) -> None:
    environment = marked_environment()
    process = up(tmp_path / "data", env=environment)
    wait_for("children", lambda: len(marked_processes(environment)) >= 6)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0, output
    assert_none_running(environment)
    assert not (tmp_path / "data/local.json").exists()


async def test_startup_fails_without_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text(
        "#!/bin/sh\n"
        'case "$*" in *hls_time*) echo "Unknown encoder libx264" >&2; exit 1;; esac\n'
        f'exec "{FFMPEG}" "$@"\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    monkeypatch.setattr(local_up, "PICTURE_TIMEOUT_S", 3.0)
    environment = marked_environment()
    monkeypatch.setenv(MARK, environment[MARK])
    options = Options("test", 0, 0, 1, 1, 300, tmp_path / "data", reset=False)
    with pytest.raises(OperatorError, match=r"no video: .*Unknown encoder libx264") as error:
        await local_up.run(options)
    assert "\n" not in str(error.value)
    assert_none_running(environment)
    assert not (tmp_path / "data/local.json").exists()

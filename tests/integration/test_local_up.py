"""`shoal up` as a person meets it: mistakes are one line, and nothing ever stays behind."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.support.station import SHOAL, children_of, free_port, is_running, wait_for


def up(data: Path, *options: str) -> subprocess.Popen[str]:
    ports = ["--port", str(free_port()), "--rtmp-port", str(free_port())]
    command = [*SHOAL, "up", *ports, "--data", str(data), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def test_a_busy_port_is_named_with_its_owner_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = up(tmp_path / "data", "--port", str(port))
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(output.splitlines()) == 1
    assert f"port {port} is taken by" in output
    assert f"(pid {os.getpid()})" in output
    assert "--port" in output
    assert not (tmp_path / "data").exists()


def test_a_killed_service_comes_back_and_a_killed_up_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = up(data, "--segment-seconds", "1", "--bitrate", "300")
    family: list[int] = []
    try:
        local = data / "local.json"
        wait_for("the station", local.exists, 60)
        described = json.loads(local.read_text())
        assert set(described) == {
            *("gateway", "broadcaster", "signaling", "site", "store", "owncast", "rtmp"),
            *("playlist", "watch", "hls_dir", "pids", "metrics", "store_metrics"),
        }
        assert Path(described["hls_dir"]).is_dir()
        pids = described["pids"]
        assert set(pids) == {"broadcaster", "signaling", "site", "store", "encoder"}

        second = up(data)
        output, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"in use by another `shoal up` (pid {process.pid})" in output

        os.kill(pids["encoder"], signal.SIGKILL)
        encoder = wait_for(
            "the encoder is back",
            lambda: (
                json.loads(local.read_text())["pids"].get("encoder", pids["encoder"])
                != pids["encoder"]
            ),
        )
        assert encoder
        family = children_of(process.pid)
        assert len(family) >= 5
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        printed = process.stdout.read()
        process.stdout.close()
        for port in json.loads((data / "ports.json").read_text()).values():
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # the next run would
                path.unlink()
    wait_for("all have ended", lambda: not [pid for pid in family if is_running(pid)])
    assert "encoder ended (killed by SIGKILL), restarting in 2 s" in printed


def test_ctrl_c_during_the_start_stops_everything(tmp_path: Path) -> None:
    process = up(tmp_path / "data")
    wait_for("children", lambda: len(children_of(process.pid)) >= 5)
    family = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0, output
    assert not [pid for pid in family if is_running(pid)]
    assert not (tmp_path / "data/local.json").exists()

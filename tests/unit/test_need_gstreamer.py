"""What `make test` does with GStreamer, without it, and if it may install it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def need_gstreamer(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools/need-gstreamer"],
        env={**os.environ, "PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_installed_if_gstreamer_can_play(tmp_path: Path) -> None:
    program(tmp_path, "gst-inspect-1.0", "exit 0")
    result = need_gstreamer(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("inspect", [None, '[ "$2" != openh264dec ]'])
def test_root_installs_what_is_missing(tmp_path: Path, inspect: str | None) -> None:
    if inspect is not None:
        program(tmp_path, "gst-inspect-1.0", inspect)
    program(tmp_path, "id", "echo 0")
    program(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/done')
    assert need_gstreamer(tmp_path).returncode == 0
    update, install = (tmp_path / "done").read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install")
    assert "gstreamer1.0-plugins-bad" in install


@pytest.mark.parametrize("user", [0, 1000])
def test_if_it_cannot_be_installed_the_error_says_how(tmp_path: Path, user: int) -> None:
    program(tmp_path, "id", f"echo {user}")
    program(tmp_path, "apt-get", "exit 100")
    result = need_gstreamer(tmp_path)
    assert result.returncode == 1
    assert "apt-get install gstreamer1.0-tools" in result.stderr

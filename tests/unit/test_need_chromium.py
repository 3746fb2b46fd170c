"""The browser that the tests use, and that `make test` looks for the same one."""

import os
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.support import chromium

ROOT = Path(__file__).parents[2]


def program(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", chromium.NAMES)
def test_any_of_its_names_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    expected = program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with sync_playwright() as playwright:
        assert chromium.executable(playwright) == expected


def test_make_looks_for_the_same_names(tmp_path: Path) -> None:
    program(tmp_path, "google-chrome")
    result = subprocess.run(
        [ROOT / "tools/need-chromium"], env={"PATH": str(tmp_path)}, check=False
    )
    assert result.returncode == 0


def test_playwrights_own_browser_is_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with sync_playwright() as playwright:
        assert chromium.executable(playwright) is None
        own = Path(playwright.chromium.executable_path)
        own.parent.mkdir(parents=True)
        program(own.parent, own.name)
        assert chromium.executable(playwright) == str(own)


def test_without_a_browser_the_error_says_how_to_install_one(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    result = subprocess.run(
        [ROOT / "tools/need-chromium"],
        env={**os.environ, "PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "install chromium" in result.stderr
    assert "Traceback" not in result.stderr

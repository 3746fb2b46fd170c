"""The two commands of the README, exactly as written there, on one station."""

import re
import subprocess
from pathlib import Path

from tests.support.documents import ROOT, documents
from tests.support.station import fetch, station, wait_for

SHOAL = ROOT / ".venv/bin/shoal"
README = next(document for document in documents() if document.name == "README.md")


def report(folder: Path) -> str:
    """Return what `.venv/bin/shoal report` prints in a folder."""
    result = subprocess.run(
        [SHOAL, "report"], cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return result.stdout


def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    assert ".venv/bin/shoal report" in README.commands
    shown = re.findall(r"^│ ([A-Za-z0-9() ]+?) +│", README.text, re.MULTILINE)
    assert len(shown) == 4
    with station(tmp_path / ".shoal", "--segment-seconds", "1", "--bitrate", "300") as running:
        wait_for("a segment", lambda: b".ts" in fetch(running.local["playlist"]))
        printed = report(tmp_path)
        lines = [line.strip("│┃ ") for line in printed.splitlines()]
        rows = {row: line for line in lines if (row := line.split("│")[0].strip()) in shown}
        assert set(rows) == set(shown), printed
        assert "0 bytes" in rows["EC2"]
        for url in re.findall(r"http://127\.0\.0\.1:8888(/\S*[a-z]|/)", README.text):
            assert b"<html" in fetch(running.local["gateway"] + url)
        assert (tmp_path / ".shoal/secrets/operator_token").is_file()

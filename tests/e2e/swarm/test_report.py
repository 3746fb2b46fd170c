"""`shoal report` of a running station with viewers, in its four forms."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.support.station import SHOAL, Station, wait_for
from tests.support.viewers import Viewer

ARTIFACTS = Path(".artifacts/report")
SIZES = {"phone": (390, 844, "light"), "laptop": (1366, 900, "dark")}
VIEWERS = 3


def report(running: Station, *arguments: str) -> str:
    done = subprocess.run(
        [*SHOAL, "report", "--data", str(running.data), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def report_with_sharing(running: Station) -> dict[str, Any] | None:
    """Return the report once its windows contain sharing, else None."""
    document = json.loads(report(running, "--json"))
    windows = document["windows"]
    return document if windows and windows["now"]["bytes"]["p2p"] > 3_000_000 else None


def assert_page_is_right(browser: Browser, file: Path, size: str) -> None:
    width, height, scheme = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="light" if scheme == "light" else "dark",
    )
    page = context.new_page()
    requests: list[str] = []
    console: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: console.append(message.text))
    page.goto(file.absolute().as_uri())
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{size}.png", full_page=True)
    assert (requests, console) == ([file.absolute().as_uri()], [])
    assert page.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert page.locator(".plot svg path").count() >= 4
    assert re.fullmatch(r"\d+\.\d%", page.locator(".big").inner_text())
    assert page.locator(".money li").count() == 3
    context.close()


def test_the_report_in_its_four_forms(browser: Browser, running: Station, tmp_path: Path) -> None:
    viewers = [Viewer(browser, running.local["watch"]) for _ in range(VIEWERS)]
    for viewer in viewers:
        viewer.wait(f"s.ready && s.peers === {VIEWERS - 1} && s.playing", 45)
    document = wait_for("a report with sharing", lambda: report_with_sharing(running), 90)
    now = document["windows"]["now"]
    assert document["bytes"].keys() == {"ec2_video", "store", "p2p", "seed"}
    assert (document["bytes"]["ec2_video"], now["bytes"]["ec2_video"]) == (0, 0)
    assert 0 < document["share"] < 1
    assert now["viewers"] > 0.5
    assert 0.5 < now["copies"] < VIEWERS
    assert now["uploaded"] > 0
    assert now["stored"] > 0
    assert now["ec2_video_per_viewer_hour"] == 0
    assert document["services"]["signaling"]["requests_per_s"] > 0
    assert document["services"]["broadcaster"]["uptime_s"] > 10
    per_100 = document["cost"]["per_100_viewers_and_hour"]
    assert per_100["ec2_direct"] > per_100["r2"] >= per_100["r2_p2p"] > 0
    assert document["cost"]["so_far"]["ec2_direct"] > 0
    assert 300 < document["cost"]["bitrate_kbps"] < 800

    terminal = report(running)
    assert "peers' share" in terminal
    assert "the last 5 minutes" in terminal
    markdown = report(running, "--markdown")
    assert "## Over time" in markdown
    rows = [line.split("|")[1].strip() for line in markdown.splitlines() if "|" in line]
    for source in ("EC2", "R2 (store)", "peers", "torrent seed"):
        assert rows.count(f"from {source}") == 1, source
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (ARTIFACTS / "terminal.txt").write_text(terminal)
    (ARTIFACTS / "report.md").write_text(markdown)
    file = tmp_path / "report.html"
    assert str(file) in report(running, "--html", str(file))
    for size in SIZES:
        assert_page_is_right(browser, file, size)
    html = file.read_text()
    assert "<script" not in html
    assert (running.data / "secrets" / "operator_token").read_text() not in html


def test_a_report_without_a_token_says_what_is_unknown(running: Station, tmp_path: Path) -> None:
    url = running.local["gateway"].replace(
        "127.0.0.1", "localhost"
    )  # an address that is not recognized as local
    document = json.loads(report(running, url, "--json"))
    assert document["bytes"] is None
    assert "operator's token" in document["unknown"][0]
    assert document["cost"]["per_100_viewers_and_hour"]["ec2_direct"] > 0
    file = tmp_path / "report.html"
    report(running, url, "--html", str(file))
    assert "not known" in file.read_text()

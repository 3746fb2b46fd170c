"""Screenshots of pages, saved in .artifacts/ for people to look at, and axe-core's findings."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / ".artifacts"
AXE = ROOT / "player/node_modules/axe-core/axe.min.js"

SIZES = {"phone": (390, 844), "laptop": (1366, 768), "tv": (1920, 1080)}


def screenshot(page: Page, name: str) -> None:
    """Save a screenshot of a page."""
    save_png(page.screenshot(), name)


def save_png(png: bytes, name: str) -> None:
    """Save a PNG."""
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"{name}.png").write_bytes(png)


def serious_violations(page: Page) -> list[dict[str, Any]]:
    """Return axe-core's serious and critical findings on the page."""
    # not a <script>, which the page's policy would block
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        {"id": one["id"], "nodes": [node["html"][:200] for node in one["nodes"]]}
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]

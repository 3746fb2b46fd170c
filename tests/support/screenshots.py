"""Pictures of pages, kept in .artifacts/ for people to look at, and what axe-core says of them."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / ".artifacts"
AXE = ROOT / "player/node_modules/axe-core/axe.min.js"

SIZES = {"phone": (390, 844), "laptop": (1366, 768), "tv": (1920, 1080)}


def picture(page: Page, name: str) -> None:
    """Keep a screenshot."""
    keep(page.screenshot(), name)


def keep(png: bytes, name: str) -> None:
    """Keep a picture."""
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"{name}.png").write_bytes(png)


def serious(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds that keeps people out, in all elements of the page."""
    # evaluated from outside: a <script> would be refused by the page's policy
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        {"id": one["id"], "nodes": [node["html"][:200] for node in one["nodes"]]}
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]

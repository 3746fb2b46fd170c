"""Finds the Chromium for the tests: one on PATH, or else Playwright's own.

As a program, prints its path; fails if there is none.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import BrowserType, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable(playwright: Playwright) -> str | None:
    """Return the browser's path, or None if there is none."""
    return executable_of(playwright.chromium)


def executable_of(browser: BrowserType) -> str | None:
    """Return the browser's path, or None, for a browser type."""
    on_path = (shutil.which(name) for name in NAMES)
    own = browser.executable_path
    return next((path for path in on_path if path), own if Path(own).exists() else None)


if __name__ == "__main__":
    with sync_playwright() as started:
        found = executable(started)
    sys.exit(None if found and sys.stdout.write(f"{found}\n") else 1)

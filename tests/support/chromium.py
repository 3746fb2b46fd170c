"""Which browser the tests drive: one of this machine, else Playwright's own.

Run as a program it prints the path, and fails where there is none.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import BrowserType, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable(playwright: Playwright) -> str | None:
    """Path of the browser, None where there is none."""
    return executable_of(playwright.chromium)


def executable_of(browser: BrowserType) -> str | None:
    """Path of the browser, as one that runs already can tell it."""
    on_path = (shutil.which(name) for name in NAMES)
    own = browser.executable_path
    return next((path for path in on_path if path), own if Path(own).exists() else None)


if __name__ == "__main__":
    with sync_playwright() as started:
        found = executable(started)
    sys.exit(None if found and sys.stdout.write(f"{found}\n") else 1)

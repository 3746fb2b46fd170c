"""A real WebKitGTK, driven by WebDriver (https://www.w3.org/TR/webdriver2/)."""

import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.station import free_port, wait_for

DRIVER = "WebKitWebDriver"
"""starts MiniBrowser, WebKitGTK's small browser"""
START_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 60

ENVIRONMENT = {
    # neither a graphics card nor user settings
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
    "GSETTINGS_BACKEND": "memory",
    "GIO_USE_VFS": "local",
    "NO_AT_BRIDGE": "1",
}


class WebKit:
    """One tab."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page."""
        _ask(f"{self._session}/url", {"url": url})

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        return _ask(f"{self._session}/execute/sync", {"script": f"return {expression}", "args": []})

    def wait(self, condition: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until an expression over `s`, the page's stats, is true; return the stats."""
        deadline = time.monotonic() + timeout_s
        while True:
            stats = self.evaluate("window.shoal?.stats() ?? null")
            if stats and self.evaluate(f"((s) => !!({condition}))(window.shoal.stats())"):
                return stats
            assert time.monotonic() < deadline, (condition, stats)
            time.sleep(0.2)

    def screenshot(self) -> bytes:
        """Return a screenshot as PNG."""
        return base64.b64decode(_ask(f"{self._session}/screenshot"))


@contextmanager
def launched(folder: Path) -> Iterator[WebKit]:
    """Run a WebKitGTK on its own virtual screen."""
    folder.mkdir()
    with (folder / "webkit.log").open("wb") as log, _screen(log) as display:
        port = free_port()
        home = {name: str(folder) for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME")}
        driver = subprocess.Popen(
            [DRIVER, f"--port={port}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT, **home, "DISPLAY": display},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for("the driver", lambda: _is_up(f"{url}/status"), START_TIMEOUT_S)
            created = _ask(f"{url}/session", {"capabilities": {}})
            session = f"{url}/session/{created['sessionId']}"
            try:
                yield WebKit(session)
            finally:
                _ask(session, method="DELETE")
        finally:
            driver.terminate()
            driver.wait(10)


@contextmanager
def _screen(log: Any) -> Iterator[str]:
    """Run a virtual X server; yield the name of its display."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1366x900x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=log,
        stderr=log,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)


def _is_up(url: str) -> bool:
    try:
        return bool(_ask(url))
    except urllib.error.URLError:
        return False


def _ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error

"""A real Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/)."""

import asyncio
import base64
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

COMMAND = "firefox-esr"
START_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 30

PREFERENCES = {
    # host candidates with addresses: nothing here resolves mDNS names
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # loopback is the only network that certainly exists
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.region.network.url": "",
    "services.settings.server": "",
    "media.gmp-manager.updateEnabled": False,
}


class Firefox:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = 0
        self._context = ""

    async def open(self, url: str) -> None:
        """Open a session and a page."""
        await self._ask("session.new", {"capabilities": {}})
        tree = await self._ask("browsingContext.getTree", {})
        self._context = tree["contexts"][0]["context"]
        await self._ask(
            "browsingContext.navigate",
            {"context": self._context, "url": url, "wait": "interactive"},
        )

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, via JSON."""
        answer = await self._ask(
            "script.evaluate",
            {
                "expression": f"JSON.stringify({expression} ?? null)",
                "target": {"context": self._context},
                "awaitPromise": False,
            },
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    async def wait(self, condition: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until an expression over `s`, the page's stats, is true; return the stats."""
        deadline = time.monotonic() + timeout_s
        while True:
            stats = await self.evaluate("window.shoal?.stats()")
            if stats and await self.evaluate(f"((s) => !!({condition}))(window.shoal.stats())"):
                return stats
            assert time.monotonic() < deadline, (condition, stats)
            await asyncio.sleep(0.2)

    async def screenshot(self) -> bytes:
        """Return a screenshot as PNG."""
        answer = await self._ask("browsingContext.captureScreenshot", {"context": self._context})
        return base64.b64decode(answer["data"])

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._ids += 1
        await self._socket.send_json({"id": self._ids, "method": method, "params": params})
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") == self._ids:
                    assert message["type"] == "success", message
                    return message["result"]


@contextmanager
def launched(profile: Path) -> Iterator[str]:
    """Run a headless Firefox with its own profile; yield the URL for WebDriver BiDi."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = profile / "firefox.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(COMMAND, "--headless", "--no-remote", "--profile", str(profile)),
                *("--remote-debugging-port", "0", "about:blank"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(log, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def tab_at(address: str, url: str) -> AsyncIterator[Firefox]:
    """Yield a tab with that page."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{address}/session", max_msg_size=0) as socket,
    ):
        tab = Firefox(socket)
        await tab.open(url)
        yield tab


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"BiDi listening on (ws://\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not listen: {log.read_text(errors='replace')[-2000:]}")

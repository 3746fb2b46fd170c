"""Viewers without a browser: a Node process each, with our engine and a player without a decoder.

Two cores run a few dozen of them, but not as many browsers.
"""

import json
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.swarm_cases import Engine
from tests.bench.trackers import NODE

PLAYER = Path(__file__).parents[2] / "player"
PROGRAM = Path(__file__).with_name("headless_viewer.mjs")
ANSWER_TIMEOUT_S = 20.0
"""a busy machine may take seconds to start Node"""


def build(folder: Path) -> Path:
    """Build the viewer into a folder; return the module that Node loads."""
    # tells Node that the built file is an ES module
    (folder / "package.json").write_text('{"type": "module"}')
    # the built file imports packages, which are not bundled
    (folder / "node_modules").symlink_to(PLAYER / "node_modules")
    vite = PLAYER / "node_modules" / "vite" / "bin" / "vite.js"
    command = [str(NODE), str(vite), "build", "--ssr", "tests/headless/viewer.ts"]
    options = ["--outDir", str(folder / "built"), "--logLevel", "warn"]
    subprocess.run([*command, *options], cwd=PLAYER, check=True, timeout=60)
    return folder / "built" / "viewer.js"


class HeadlessSlot:
    """A slot for a headless viewer, which runs in its own process."""

    def __init__(self, bundle: Path, folder: Path, entering: Sequence[str], room: str) -> None:
        """Prepare a slot.

        `entering` is put before the command, to run it behind this slot's link. `room` is the URL
        of `/ws/room` of another signaling process; if it is empty, the viewer uses the page's.
        """
        self._command = [*entering, str(NODE), str(PROGRAM), str(bundle)]
        self._room = room
        self._log = folder / "log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def occupied(self) -> bool:
        """Whether a viewer runs."""
        return self._process is not None

    def open(self, gateway: str, engine: Engine) -> None:
        """Start a new viewer."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, gateway + engine.path, *([self._room] if self._room else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # only the bench handles Ctrl-C
            )

    def close(self) -> None:
        """Kill the viewer. Raises AssertionError if it had already ended.

        A viewer cannot end by itself: when it or others close connections, `@roamhq/wrtc` sometimes
        crashes (SIGSEGV).
        """
        process, self._process = self._process, None
        if process is None:
            return
        ended = process.poll()
        process.kill()
        process.communicate()
        assert ended is None, f"a headless viewer exited with status {ended}: {self._log_tail()}"

    def stats(self) -> dict[str, Any]:
        """Return the viewer's stats."""
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        readable, _, _ = select.select([process.stdout], [], [], ANSWER_TIMEOUT_S)
        line = process.stdout.readline() if readable else ""
        assert line, f"no stats from a headless viewer in {ANSWER_TIMEOUT_S} s: {self._log_tail()}"
        return json.loads(line)

    def pause(self, seconds: float) -> None:
        """Wait while the viewer continues."""
        time.sleep(seconds)

    @property
    def pid(self) -> int:
        """The pid of the viewer's process."""
        assert self._process
        return self._process.pid

    def _log_tail(self) -> str:
        return self._log.read_text()[-2000:]

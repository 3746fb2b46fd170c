"""Viewers without a browser: a Node process each, with our engine and a player without decoder.

Two cores carry a few dozen of them, where they could not carry as many browsers.
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
    """Build the viewer into a folder; return what Node is to load."""
    # by package.json Node knows what kind of module the built file is
    (folder / "package.json").write_text('{"type": "module"}')
    # packages are not in it
    (folder / "node_modules").symlink_to(PLAYER / "node_modules")
    vite = PLAYER / "node_modules" / "vite" / "bin" / "vite.js"
    command = [str(NODE), str(vite), "build", "--ssr", "tests/headless/viewer.ts"]
    options = ["--outDir", str(folder / "built"), "--logLevel", "warn"]
    subprocess.run([*command, *options], cwd=PLAYER, check=True, timeout=60)
    return folder / "built" / "viewer.js"


class HeadlessSeat:
    """A place for a viewer, in a process of its own."""

    def __init__(self, bundle: Path, folder: Path, entering: Sequence[str], room: str) -> None:
        """`room`: `/ws/room` of another signaling process than the page's; empty: the page's."""
        self._command = [*entering, str(NODE), str(PROGRAM), str(bundle)]
        self._room = room
        self._log = folder / "log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def taken(self) -> bool:
        """Whether a viewer is here."""
        return self._process is not None

    def open(self, gateway: str, engine: Engine) -> None:
        """Let a new viewer come."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, gateway + engine.path, *([self._room] if self._room else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is the bench's
            )

    def leave(self) -> None:
        """End the viewer. Raises AssertionError when it had ended before.

        It is not asked to: where others close their connections, or it its own, `@roamhq/wrtc`
        now and then breaks off (SIGSEGV), after the figures have been taken.
        """
        process, self._process = self._process, None
        if process is None:
            return
        ended = process.poll()
        process.kill()
        process.communicate()
        assert ended is None, f"a viewer ended with {ended}: {self._words()}"

    def stats(self) -> dict[str, Any]:
        """The viewer's figures."""
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        readable, _, _ = select.select([process.stdout], [], [], ANSWER_TIMEOUT_S)
        line = process.stdout.readline() if readable else ""
        assert line, f"a viewer says nothing: {self._words()}"
        return json.loads(line)

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    @property
    def pid(self) -> int:
        """The viewer's process."""
        assert self._process
        return self._process.pid

    def _words(self) -> str:
        return self._log.read_text()[-2000:]

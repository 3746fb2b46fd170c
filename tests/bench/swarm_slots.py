"""Slots for viewers: a browser, or a process without one, behind a link each."""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Playwright, sync_playwright

from tests.bench import headless, processor
from tests.bench.headless import HeadlessSlot
from tests.bench.network import Network
from tests.bench.swarm_cases import Case, Engine
from tests.support import chromium
from tests.support.corrupt_peer import CORRUPT_PIECES, RECORD_SEGMENTS
from tests.support.viewers import CHROMIUM_ARGUMENTS, Viewer


class Slot(Protocol):
    """Runs one viewer at a time."""

    @property
    def occupied(self) -> bool:
        """Whether a viewer runs."""
        ...

    @property
    def pid(self) -> int:
        """The viewer's process; its descendants belong to the viewer, too."""
        ...

    def open(self, gateway: str, engine: Engine) -> None:
        """Start a new viewer."""
        ...

    def close(self) -> None:
        """Let the viewer leave."""
        ...

    def stats(self) -> dict[str, Any]:
        """Return the viewer's stats; empty before it has any.

        `fed` lists the SHA-256 of every segment that its player got, if the case records them.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Wait while the viewer continues."""
        ...


class BrowserSlot:
    """Runs a viewer in a browser, which stays for the next one."""

    def __init__(
        self, playwright: Playwright, folder: Path, entering: Sequence[str], script: str
    ) -> None:
        """Start a browser.

        `entering` is put before its command, to run it behind this slot's link. `script` runs in
        every page before the page's own scripts.
        """
        pid = folder / "pid"
        wrapper = folder / "browser"
        command = shlex.join([*entering, str(chromium.executable(playwright))])
        wrapper.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {command} "$@"\n')
        wrapper.chmod(0o700)
        self._browser = playwright.chromium.launch(
            executable_path=wrapper, args=CHROMIUM_ARGUMENTS, headless=True, handle_sigint=False
        )
        self.pid = int(pid.read_text())
        self._script = script
        self._viewer: Viewer | None = None

    @property
    def occupied(self) -> bool:
        """Whether a viewer runs."""
        return self._viewer is not None

    @property
    def viewer(self) -> Viewer:
        """The open page."""
        assert self._viewer
        return self._viewer

    def open(self, gateway: str, engine: Engine) -> None:
        """Start a new viewer."""
        self._viewer = Viewer(
            self._browser,
            gateway + engine.path,
            width=320,
            height=240,
            hook=engine.hook,
            script=self._script,
        )

    def close(self) -> None:
        """Let the viewer leave."""
        if self._viewer:
            self._viewer.page.context.close()
            self._viewer = None

    def stats(self) -> dict[str, Any]:
        """Return the page's stats; empty before it has any."""
        hook = f"window.{self.viewer.hook}"
        return self.viewer.page.evaluate(
            f"() => {hook} ? {{...{hook}.stats(), fed: window.demuxed ?? []}} : {{}}"
        )

    def pause(self, seconds: float) -> None:
        """Wait while Playwright handles events."""
        self.viewer.page.wait_for_timeout(seconds * 1000)

    def corrupt(self) -> None:
        """Send wrong bytes from now on."""
        self.viewer.page.evaluate("() => { window.corrupt = true; }")

    def quit(self) -> None:
        """End the browser, even if it is stopped."""
        processor.send_signal(self.pid, signal.SIGCONT)
        self._browser.close()


@contextmanager
def slots(
    case: Case, folder: Path, network: Network | None, rooms: Sequence[str]
) -> Iterator[list[Slot]]:
    """Make slots for a case's viewers; without a network, all of them are on loopback.

    `rooms`: URLs of `/ws/room` that headless viewers use in turn; an empty one is the page's own.
    """
    entering = [network.entering(number) if network else [] for number in range(len(case.links))]
    folders = [folder / f"slot{number}" for number in range(len(case.links))]
    for one in folders:
        one.mkdir(parents=True)
    with ExitStack() as stack:
        if case.headless:
            bundle = headless.build(folder)
            headless_slots: list[Slot] = []
            for one, enter, room in zip(folders, entering, cycle(rooms), strict=False):
                headless_slots.append(HeadlessSlot(bundle, one, enter, room))
                stack.callback(headless_slots[-1].close)
            yield headless_slots
            return
        playwright = stack.enter_context(sync_playwright())
        browser_slots: list[Slot] = []
        for number, (one, enter) in enumerate(zip(folders, entering, strict=True)):
            slot = BrowserSlot(playwright, one, enter, script(case, number))
            browser_slots.append(slot)
            stack.callback(slot.quit)
        yield browser_slots


def script(case: Case, number: int) -> str:
    """Return what runs in a viewer's page before its own scripts."""
    if not case.corrupt:
        return ""
    return CORRUPT_PIECES if number == 0 else RECORD_SEGMENTS

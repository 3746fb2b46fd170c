"""Where viewers sit: a browser behind a link."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Playwright, sync_playwright

from tests.bench import processor
from tests.bench.network import Network
from tests.bench.swarm_cases import Case, Engine
from tests.support import chromium
from tests.support.viewers import CHROMIUM_ARGUMENTS, Viewer


class Seat:
    """A browser, which shows a page at a time."""

    def __init__(self, playwright: Playwright, folder: Path, entering: list[str]) -> None:
        """`entering`: what to put before a command that is to run behind this seat's link."""
        pid = folder / "pid"
        wrapper = folder / "browser"
        command = shlex.join([*entering, str(chromium.executable(playwright))])
        wrapper.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {command} "$@"\n')
        wrapper.chmod(0o700)
        self._browser = playwright.chromium.launch(
            executable_path=wrapper, args=CHROMIUM_ARGUMENTS, headless=True, handle_sigint=False
        )
        self._pid = int(pid.read_text())
        self._viewer: Viewer | None = None

    @property
    def taken(self) -> bool:
        """Whether a viewer is here."""
        return self._viewer is not None

    @property
    def viewer(self) -> Viewer:
        """The page that is open."""
        assert self._viewer
        return self._viewer

    def open(self, gateway: str, engine: Engine) -> None:
        """Let a new viewer come."""
        url = gateway + engine.path
        self._viewer = Viewer(self._browser, url, width=320, height=240, hook=engine.hook)

    def leave(self) -> None:
        """Let the viewer go."""
        if self._viewer:
            self._viewer.page.context.close()
            self._viewer = None

    def wait(self, condition: str, timeout_s: float) -> bool:
        """Wait until an expression over the page's figures is true; False when it does not come."""
        try:
            self.viewer.wait(condition, timeout_s)
        except Error:
            return False
        return True

    def stats(self) -> dict[str, Any]:
        """The page's figures."""
        return self.viewer.stats()

    def cpu_s(self) -> float:
        """Processor time that the browser has used."""
        return processor.used_s(self._pid)

    def stop(self) -> None:
        """Stop the browser where it is (SIGSTOP)."""
        processor.tell(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a stopped browser go on."""
        processor.tell(self._pid, signal.SIGCONT)

    def close(self) -> None:
        """End the browser."""
        self.go_on()
        self._browser.close()


@contextmanager
def seats(case: Case, folder: Path, network: Network | None) -> Iterator[list[Seat]]:
    """Seats for a case's viewers; without a network all of them are on loopback."""
    with sync_playwright() as playwright:
        taken: list[Seat] = []
        try:
            for number in range(len(case.links)):
                own = folder / f"seat{number}"
                own.mkdir(parents=True)
                entering = network.entering(number) if network else []
                taken.append(Seat(playwright, own, entering))
            yield taken
        finally:
            for seat in taken:
                seat.close()

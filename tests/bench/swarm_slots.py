"""Where viewers sit: a browser, or less, behind a link."""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Playwright, sync_playwright

from tests.bench import headless, processor
from tests.bench.headless import HeadlessSeat
from tests.bench.network import Network
from tests.bench.swarm_cases import Case, Engine
from tests.support import chromium
from tests.support.corrupt_peer import CORRUPT_PIECES, RECORD_SEGMENTS
from tests.support.viewers import CHROMIUM_ARGUMENTS, Viewer


class Seat(Protocol):
    """A place for a viewer, one at a time."""

    @property
    def taken(self) -> bool:
        """Whether a viewer is here."""
        ...

    @property
    def pid(self) -> int:
        """The process that, with all its children, is this viewer's."""
        ...

    def open(self, gateway: str, engine: Engine) -> None:
        """Let a new viewer come."""
        ...

    def leave(self) -> None:
        """Let the viewer go."""
        ...

    def stats(self) -> dict[str, Any]:
        """The viewer's figures, none while it has none.

        `fed`: SHA-256 of every segment that its player got, where that is watched.
        """
        ...

    def pause(self, seconds: float) -> None:
        """Wait while the viewer goes on."""
        ...


class BrowserSeat:
    """A browser, which shows a page at a time."""

    def __init__(
        self, playwright: Playwright, folder: Path, entering: Sequence[str], script: str
    ) -> None:
        """`entering`: what to put before a command that is to run behind this seat's link.

        `script` runs in every page before its own.
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
        self._viewer = Viewer(
            self._browser,
            gateway + engine.path,
            width=320,
            height=240,
            hook=engine.hook,
            script=self._script,
        )

    def leave(self) -> None:
        """Let the viewer go."""
        if self._viewer:
            self._viewer.page.context.close()
            self._viewer = None

    def stats(self) -> dict[str, Any]:
        """The page's figures, none until it has begun."""
        hook = f"window.{self.viewer.hook}"
        return self.viewer.page.evaluate(
            f"() => {hook} ? {{...{hook}.stats(), fed: window.demuxed ?? []}} : {{}}"
        )

    def pause(self, seconds: float) -> None:
        """Wait while Playwright goes on."""
        self.viewer.page.wait_for_timeout(seconds * 1000)

    def poison(self) -> None:
        """Send false bytes from now on."""
        self.viewer.page.evaluate("() => { window.corrupt = true; }")

    def close(self) -> None:
        """End the browser."""
        processor.tell(self.pid, signal.SIGCONT)
        self._browser.close()


@contextmanager
def seats(
    case: Case, folder: Path, network: Network | None, rooms: Sequence[str]
) -> Iterator[list[Seat]]:
    """Seats for a case's viewers; without a network all of them are on loopback.

    `rooms`: URLs to join at in turn, an empty one for the page's own; only without browsers.
    """
    entering = [network.entering(k) if network else [] for k in range(len(case.links))]
    own = [folder / f"seat{number}" for number in range(len(case.links))]
    for one in own:
        one.mkdir(parents=True)
    with ExitStack() as stack:
        if case.headless:
            bundle = headless.build(folder)
            taken: list[Seat] = []
            for one, enter, room in zip(own, entering, cycle(rooms), strict=False):
                taken.append(HeadlessSeat(bundle, one, enter, room))
                stack.callback(taken[-1].leave)
            yield taken
            return
        playwright = stack.enter_context(sync_playwright())
        browsers: list[Seat] = []
        for number, (one, enter) in enumerate(zip(own, entering, strict=True)):
            seat = BrowserSeat(playwright, one, enter, script(case, number))
            browsers.append(seat)
            stack.callback(seat.close)
        yield browsers


def script(case: Case, number: int) -> str:
    """Return what runs in a viewer's page before its own scripts."""
    if not case.poisoned:
        return ""
    return CORRUPT_PIECES if number == 0 else RECORD_SEGMENTS

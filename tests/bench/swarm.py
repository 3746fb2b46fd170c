"""`make bench-swarm`: real browsers behind shaped links watch one live stream, by one engine each.

Ours and p2p-media-loader (by its own defaults, PeerTube's settings and the best that we know) take
turns in the same minutes on the same stream; plain hls.js shows what the first picture and the
processor cost without any. `CASES=uplinks_8,mixed_8 ENGINES=rooms,plain RUNS=3` choose; by default
every case runs with ours and the baselines run in one. `ARGS="--seconds 12 --viewers 2"` is short.

Where network namespaces cannot be made, all of it runs on loopback and says so.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from shoal.local.store import bytes_sent
from tests.bench import network, processor
from tests.bench.network import Network
from tests.bench.record import load, record
from tests.bench.swarm_cases import BASELINE_CASE, CASES, ENGINES, OURS, Case, Engine, small
from tests.bench.swarm_figures import (
    FIGURES,
    MIN_IDLE_PCT,
    Counts,
    Window,
    counts,
    figures,
    summary,
)
from tests.bench.swarm_seats import Seat, seats
from tests.support.station import Station, station

ARRIVAL_S = 0.7
"""between two viewers' coming"""
READY_TIMEOUT_S = 60.0
"""for all of them together; who is not ready then counts as well"""
WARM_UP_S = 15.0
"""from the last one's readiness until it counts; no longer than the window"""
QUIET_S = 0.4
STOP_STATUS = 130

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: Playwright's loop is running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Run:
    """One engine in one case, once."""

    def __init__(
        self,
        case: Case,
        engine: Engine,
        running: Station,
        places: Sequence[Seat],
        links: Network | None,
    ) -> None:
        self._case, self._engine, self._running, self._links = case, engine, running, links
        self._places = places
        self._counted = places[1:] if case.stopped else places
        self._gone: list[Counts] = []
        self._came: set[int] = set()

    def measure(self, window_s: float) -> dict[str, Any]:
        """Let viewers come, count for a while, let them go."""
        try:
            ready = self._gather()
            self._pause(min(WARM_UP_S, window_s))
            self._until_quiet()
            return {"ready": ready, **self._count(window_s)}
        finally:
            for place in self._places:
                place.go_on()
                place.leave()
            for number in self._case.narrowed if self._links else ():
                assert self._links
                self._links.shape(number, self._case.links[number])

    def _gather(self) -> int:
        """Return how many viewers were ready."""
        self._running.wait_published(self._engine.segments, 180)
        for place in self._places:
            place.open(self._running.local["gateway"], self._engine)
            self._pause(ARRIVAL_S)
        deadline = time.monotonic() + READY_TIMEOUT_S
        ready = 0
        for number, place in enumerate(self._places):
            condition = "s.playing"
            if self._engine is ENGINES[OURS]:
                condition += f" && s.ready && s.peers >= {self._case.reachable(number)}"
            if place.wait(condition, max(0.1, deadline - time.monotonic())):
                ready += 1
            else:
                said = {name: place.stats().get(name) for name in ("playing", "ready", "peers")}
                say(f"viewer {number} is not ready: {said}")
        return ready

    def _pause(self, seconds: float) -> None:
        """Wait while Playwright goes on; the last viewer's browser is never a stopped one."""
        watching = next(place for place in reversed(self._places) if place.taken)
        watching.viewer.page.wait_for_timeout(seconds * 1000)

    def _stats(self) -> list[dict[str, Any]]:
        return [place.stats() for place in self._counted]

    def _until_quiet(self) -> None:
        """Wait, two segments at most, for a moment when nobody has half of a segment."""
        deadline = time.monotonic() + 2 * self._case.segment_s
        before: list[Counts] = []
        while time.monotonic() < deadline:
            now = [counts(stats) for stats in self._stats()]
            if now == before:
                return
            before = now
            self._pause(QUIET_S)

    def _published(self, after: dict[int, int]) -> tuple[dict[int, int], int]:
        """Return the newest sequences by rendition, and the bytes of segments behind `after`."""
        newest: dict[int, int] = {}
        size = 0
        for variant in range(self._case.renditions):
            segments = self._running.descriptors(variant)
            newest[variant] = segments[-1]["sequence"]
            size += sum(s["size"] for s in segments if s["sequence"] > after.get(variant, 0))
        return newest, size

    def _count(self, window_s: float) -> dict[str, Any]:
        before = [counts(stats) for stats in self._stats()]
        sent = apart(bytes_sent(self._running.local["store_metrics"]))
        newest, _ = self._published({})
        origin = self._running.origin_video_bytes()
        cpu = [place.cpu_s() for place in self._counted]
        ticks, begun = processor.ticks(), time.monotonic()
        self._pass(window_s, before)
        idle = processor.idle_pct(ticks, processor.ticks())
        seconds = time.monotonic() - begun
        cpu = [place.cpu_s() - used for place, used in zip(self._counted, cpu, strict=True)]
        self._until_quiet()
        last = self._stats()
        changes = [counts(after) - then for after, then in zip(last, before, strict=True)]
        stayed = [change for k, change in enumerate(changes) if k not in self._came]
        others = [change for k, change in enumerate(changes) if k in self._came]
        window = Window(
            changes=[*stayed, *others, *self._gone],
            stayed=len(stayed),
            viewers=self._case.counted,
            seconds=seconds,
            cpu_s=cpu,
            sent_bytes=apart(bytes_sent(self._running.local["store_metrics"])) - sent,
            published_bytes=self._published(newest)[1],
            origin_bytes=int(self._running.origin_video_bytes() - origin),
        )
        return {
            **figures(window, last),
            "playing": sum(stats["playing"] for stats in last),
            "idle_pct": idle,
            "load": load(),
            "seconds": seconds,
            "uploaded": [change.uploaded for change in window.changes[: window.stayed]],
        }

    def _pass(self, window_s: float, before: list[Counts]) -> None:
        """Let the window pass, with what happens in this case."""
        events = sorted(self._events(window_s, before), key=lambda event: event[0])
        begun = time.monotonic()
        for at_s, happen in (*events, (window_s, lambda: None)):
            self._pause(max(0.0, begun + at_s - time.monotonic()))
            happen()

    def _events(
        self, window_s: float, before: list[Counts]
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """What happens, and after how many seconds."""
        if self._case.stopped:
            yield 0.0, self._places[0].stop
        for number, link in self._case.narrowed.items() if self._links else ():
            yield 0.0, lambda n=number, link=link: self._shape(n, link)
            yield window_s / 2, lambda n=number: self._shape(n, self._case.links[n])
        if rate := self._case.leaving_per_minute:
            for k in range(int(window_s * rate / 60)):
                number = k % len(self._places)
                yield (k + 0.5) * 60 / rate, lambda n=number: self._replace(n, before)

    def _shape(self, number: int, link: network.Link) -> None:
        assert self._links
        self._links.shape(number, link)

    def _replace(self, number: int, before: list[Counts]) -> None:
        """Let a viewer go and another one come."""
        place = self._places[number]
        self._gone.append(counts(place.stats()) - before[number])
        before[number] = Counts()
        self._came.add(number)
        place.leave()
        place.open(self._running.local["gateway"], self._engine)


@contextmanager
def shaped(case: Case, wanted: bool) -> Iterator[Network | None]:
    """The links of a case, removed at the end; None where there are no namespaces."""
    if not wanted:
        yield None
        return
    links = Network(case.links)
    try:
        for one, other in sorted(case.apart):
            links.part(one, other)
        yield links
    finally:
        links.close()


class Bench:
    """All cases that were asked for."""

    def __init__(self, folder: Path, runs: int, window_s: float, namespaces: bool) -> None:
        self._folder, self._runs, self._window_s = folder, runs, window_s
        self._namespaces = namespaces
        self.done: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def run(self, name: str, case: Case, engines: Sequence[str]) -> None:
        """Run a case: engine after engine, as often as was asked for.

        A run that the machine was too busy for is repeated, each engine twice its runs at most.
        """
        done = self.done.setdefault(name, {engine: [] for engine in engines})
        folder = self._folder / name
        folder.mkdir()
        with ExitStack() as stack:
            links = stack.enter_context(shaped(case, self._namespaces))
            running = stack.enter_context(station(folder / "station", *case.stream))
            places = stack.enter_context(seats(case, folder, links))
            for _ in range(2 * self._runs):
                for engine, runs in done.items():
                    if sum(run["idle_pct"] >= MIN_IDLE_PCT for run in runs) < self._runs:
                        run = Run(case, ENGINES[engine], running, places, links)
                        runs.append(run.measure(self._window_s))
                        say(f"{name} {engine}: {told(runs[-1])}")

    def figures(self) -> dict[str, Any]:
        """What `.bench/swarm.json` says."""
        how = "namespaces" if self._namespaces else "loopback"
        return {
            case: {
                engine: {**summary(runs), "network": how}
                for engine, runs in engines.items()
                if runs
            }
            for case, engines in self.done.items()
        }


def told(run: dict[str, Any]) -> str:
    """Return a run in a line."""
    said = ", ".join(f"{name} {number(run[name])}" for name in FIGURES)
    busy = "" if run["idle_pct"] >= MIN_IDLE_PCT else "; too busy, does not count"
    shown = f"{run['ready']} ready, {run['playing']} playing at the end"
    return f"{said}; {shown}; idle {run['idle_pct']:.0f} %, load {run['load'][0]}{busy}"


def number(value: float | None) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 20 and value != int(value) else f"{value:.0f}"


def rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the table."""
    found: list[tuple[str, str]] = []
    for case, engines in result.items():
        for engine, said in engines.items():
            idle = statistics.median(run["idle_pct"] for run in said["runs"])
            text = ", ".join(f"{name} {number(said[name])}" for name in FIGURES if name in said)
            runs = f"{said['counted']} runs, {said['too_busy']} too busy, idle {idle:.0f} %"
            found.append((f"{case} {engine}", f"{text}\n{runs}".strip()))
    return found


def names(variable: str, known: Sequence[str]) -> list[str]:
    """Return what an environment variable chooses, nothing where it is not set."""
    chosen = os.environ.get(variable, "").replace(",", " ").split()
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"{variable}={','.join(unknown)}: choose from {', '.join(known)}")
    return chosen


def inside(arguments: argparse.Namespace) -> None:
    """Run the bench where it is now."""
    cases = names("CASES", [*CASES]) or [*CASES]
    engines = names("ENGINES", [*ENGINES])
    runs = int(os.environ.get("RUNS", "3"))
    viewers: int = arguments.viewers
    bench = Bench(arguments.folder, runs, arguments.seconds, arguments.namespaces)
    try:
        for name in cases:
            case = small(CASES[name], viewers) if viewers else CASES[name]
            default = [*ENGINES] if name == BASELINE_CASE else [OURS]
            bench.run(name, case, engines or default)
    finally:
        result = bench.figures()
        if any(result.values()):
            record("swarm", result, rows(result))


def until_stopped(arguments: argparse.Namespace) -> int:
    """Run the bench where it is now; return its exit status, also after SIGINT."""
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        inside(arguments)
    except BaseException:  # what is interrupted may fail with something else
        if not stopped:
            raise
        return STOP_STATUS
    return 0


def main() -> int:
    """Run the bench, in namespaces of its own where that is possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="that count [%(default)s]")
    parser.add_argument("--viewers", type=int, default=0, help="at most [as the case says]")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--namespaces", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        return until_stopped(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # what a killed browser leaves goes with it
        os.environ["TMPDIR"] = folder
        if why := network.missing():
            say(f"no shaped links, all viewers are on loopback: {why}")
            arguments.folder = Path(folder)
            inside(arguments)
            return 0
        again = [sys.executable, "-m", "tests.bench.swarm", *sys.argv[1:]]
        return network.run_apart([*again, "--namespaces", "--folder", folder])


if __name__ == "__main__":
    sys.exit(main())

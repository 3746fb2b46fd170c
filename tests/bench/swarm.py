"""`make bench-swarm`: real browsers behind shaped links watch one live stream, by one engine each.

Ours and p2p-media-loader (by its own defaults, PeerTube's settings and the best that we know) take
turns in the same minutes on the same stream; plain hls.js shows what the first picture and the
processor cost without any. `CASES=uplinks_8,mixed_8 ENGINES=rooms,plain RUNS=3` choose; by default
every case runs with ours and the baselines run in one. `ARGS="--seconds 12 --viewers 2"` is short.

Where network namespaces cannot be made, all of it runs on loopback and says so.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench import network
from tests.bench.network import Network
from tests.bench.record import record
from tests.bench.swarm_cases import BASELINE_CASE, CASES, ENGINES, OURS, Case, small
from tests.bench.swarm_results import FIGURES, MIN_IDLE_PCT, summary
from tests.bench.swarm_run import Run, say
from tests.bench.swarm_slots import seats
from tests.bench.swarm_station import stations

STOP_STATUS = 130


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
            running, rooms = stack.enter_context(stations(case, folder / "station"))
            places = stack.enter_context(seats(case, folder, links, rooms))
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
    segment_s: int = arguments.segment_seconds
    bench = Bench(arguments.folder, runs, arguments.seconds, arguments.namespaces)
    try:
        for name in cases:
            case = CASES[name]
            if viewers or segment_s:
                case = small(case, viewers or len(case.links), segment_s or case.segment_s)
            default = [*ENGINES] if name == BASELINE_CASE else [OURS]
            bench.run(name, case, engines or default)
    finally:
        result = bench.figures()
        if any(result.values()):
            record("swarm", result, rows(result))


def until_stopped(arguments: argparse.Namespace) -> int:
    """Run the bench where it is now; return its exit status, also after a signal to stop."""
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
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
    parser.add_argument("--segment-seconds", type=int, default=0, help="[as the case says]")
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
            return until_stopped(arguments)
        again = [sys.executable, "-m", "tests.bench.swarm", *sys.argv[1:]]
        return network.run_apart([*again, "--namespaces", "--folder", folder])


if __name__ == "__main__":
    sys.exit(main())

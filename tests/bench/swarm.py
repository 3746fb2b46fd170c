"""`make bench-swarm`: real browsers behind shaped links watch one live stream with one engine.

Shoal and p2p-media-loader (with its defaults, PeerTube's settings, and the best settings that we
found) take turns on the same running stream; plain hls.js shows the first picture and the processor
time without sharing. `CASES=uplinks_8,mixed_8 ENGINES=rooms,plain RUNS=3` chooses; by default every
case runs with Shoal, and one case with all engines. `ARGS="--seconds 12 --viewers 2"` is short.

Where network namespaces are impossible, everything runs on loopback, and the bench says so.
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
from tests.bench.swarm_results import MEASURES, MIN_IDLE_PCT, summary
from tests.bench.swarm_run import Run, print_line
from tests.bench.swarm_slots import slots
from tests.bench.swarm_station import stations

STOP_STATUS = 130


@contextmanager
def shaped(case: Case, enabled: bool) -> Iterator[Network | None]:
    """Make the links of a case, and remove them at the end; None without namespaces."""
    if not enabled:
        yield None
        return
    network = Network(case.links)
    try:
        for one, other in sorted(case.unreachable_pairs):
            network.disconnect(one, other)
        yield network
    finally:
        network.close()


class Bench:
    """The chosen cases, and the results of their runs."""

    def __init__(self, folder: Path, runs: int, window_s: float, namespaces: bool) -> None:
        self._folder, self._wanted_runs, self._window_s = folder, runs, window_s
        self._namespaces = namespaces
        self.runs: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def run(self, name: str, case: Case, engines: Sequence[str]) -> None:
        """Run a case with each engine in turn, until each has enough runs that count.

        A run during which the machine was too busy is repeated: at most twice the runs per engine.
        """
        case_runs = self.runs.setdefault(name, {engine: [] for engine in engines})
        folder = self._folder / name
        folder.mkdir()
        with ExitStack() as stack:
            network = stack.enter_context(shaped(case, self._namespaces))
            running, rooms = stack.enter_context(stations(case, folder / "station"))
            viewer_slots = stack.enter_context(slots(case, folder, network, rooms))
            for _ in range(2 * self._wanted_runs):
                for engine, runs in case_runs.items():
                    if sum(run["idle_pct"] >= MIN_IDLE_PCT for run in runs) < self._wanted_runs:
                        run = Run(case, ENGINES[engine], running, viewer_slots, network)
                        runs.append(run.measure(self._window_s))
                        print_line(f"{name} {engine}: {as_line(runs[-1])}")

    def results(self) -> dict[str, Any]:
        """Return the summary of each case and engine, as in `.bench/swarm.json`."""
        mode = "namespaces" if self._namespaces else "loopback"
        return {
            case: {
                engine: {**summary(runs), "network": mode}
                for engine, runs in engines.items()
                if runs
            }
            for case, engines in self.runs.items()
        }


def as_line(run: dict[str, Any]) -> str:
    """Return a run's results as one line."""
    measures = ", ".join(f"{name} {number(run[name])}" for name in MEASURES)
    busy = "" if run["idle_pct"] >= MIN_IDLE_PCT else "; machine too busy, does not count"
    viewers = f"{run['ready']} ready, {run['playing']} playing at the end"
    return f"{measures}; {viewers}; idle {run['idle_pct']:.0f} %, load {run['load'][0]}{busy}"


def number(value: float | None) -> str:
    """Return a value as text, with sensible digits."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 20 and value != int(value) else f"{value:.0f}"


def rows(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the table."""
    table: list[tuple[str, str]] = []
    for case, engines in results.items():
        for engine, outcome in engines.items():
            idle = statistics.median(run["idle_pct"] for run in outcome["runs"])
            text = ", ".join(
                f"{name} {number(outcome[name])}" for name in MEASURES if name in outcome
            )
            runs = f"{outcome['counted']} runs, {outcome['too_busy']} too busy, idle {idle:.0f} %"
            table.append((f"{case} {engine}", f"{text}\n{runs}".strip()))
    return table


def names(variable: str, known: Sequence[str]) -> list[str]:
    """Return the names in an environment variable; exit if one of them is unknown."""
    chosen = os.environ.get(variable, "").replace(",", " ").split()
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"{variable}={','.join(unknown)}: unknown; choose from {', '.join(known)}")
    return chosen


def run_cases(arguments: argparse.Namespace) -> None:
    """Run the chosen cases in the current namespaces, and record their results."""
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
        results = bench.results()
        if any(results.values()):
            record("swarm", results, rows(results))


def run_until_signal(arguments: argparse.Namespace) -> int:
    """Run the chosen cases; return the exit status, also after a signal to stop."""
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        run_cases(arguments)
    except BaseException:  # the interrupted call may raise another exception
        if not stopped:
            raise
        return STOP_STATUS
    return 0


def main() -> int:
    """Run the bench, in its own namespaces if possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60, help="length of the measured window [%(default)s]"
    )
    parser.add_argument(
        "--viewers", type=int, default=0, help="limit for the viewers of each case [all]"
    )
    parser.add_argument(
        "--segment-seconds", type=int, default=0, help="segment duration [that of the case]"
    )
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--namespaces", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        return run_until_signal(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # removes what killed browsers leave behind
        os.environ["TMPDIR"] = folder
        if reason := network.missing():
            print_line(f"no shaped links, all viewers are on loopback: {reason}")
            arguments.folder = Path(folder)
            return run_until_signal(arguments)
        command = [sys.executable, "-m", "tests.bench.swarm", *sys.argv[1:]]
        return network.run_isolated([*command, "--namespaces", "--folder", folder])


if __name__ == "__main__":
    sys.exit(main())

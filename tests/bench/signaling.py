"""`make bench-signaling`: how many clients one core serves, compared with other trackers.

- throughput: messages that clients receive per second if each announces again as soon as it has its
  response, with five offers each; for our tracker, npm's bittorrent-tracker and, if it has been
  built, aquatic_ws, in turn; the server on one core, the load on another;
- relay: from an offer's sending to its arrival, at half the maximum load;
- memory: growth of resident memory per connection that announced once and stays open;
- join storm: thousands of viewers join rooms within ten seconds.

`ARGS="--quick"` makes all of these short and small.
"""

import argparse
import asyncio
import gc
import resource
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.bench.core_usage import CoreUsage, Meter
from tests.bench.record import memory_mb, record
from tests.bench.room_load import JoinStorm, storm
from tests.bench.tracker_load import Received, crowd
from tests.bench.trackers import (
    AQUATIC,
    BUILD_AQUATIC,
    Server,
    Start,
    aquatic_ws,
    bittorrent_tracker,
    shoal_signaling,
    token,
)

SPARE_FILES = 200
SETTLE_S = 2.0
MIN_PACE = 0.97
"""with a lower fraction of the relay's pace, the load itself was too slow"""

console = Console()

OURS, THEIRS, AQUATIC_WS = "shoal", "bittorrent_tracker", "aquatic_ws"


@dataclass(frozen=True)
class Scale:
    """The size and length of each part."""

    clients: tuple[int, ...] = (200, 1_000, 5_000)
    relay_clients: int = 1_000
    rounds: int = 3
    warm_up_s: float = 2.0
    window_s: float = 5.0
    relay_s: float = 15.0
    idle: int = 10_000
    viewers: int = 5_000
    storm_s: float = 10.0


QUICK = Scale(
    clients=(200,),
    relay_clients=200,
    rounds=1,
    warm_up_s=0.5,
    window_s=1.0,
    relay_s=2.0,
    idle=500,
    viewers=200,
    storm_s=2.0,
)


@dataclass(frozen=True)
class Run:
    """One measured window of one server."""

    received: Received
    usage: CoreUsage

    @property
    def per_s(self) -> float:
        """Messages per second that clients received."""
        return self.received.messages / self.received.at_s


def swarms() -> list[str]:
    """Return the infohashes that every station's tracker accepts."""
    return sorted(info_hashes(SWARM_ID))


def tracker_url(server: Server) -> str:
    """Return the tracker's URL as for a viewer's p2p-media-loader; others ignore the query."""
    return f"{server.url}?token={token()}"


async def throughput(server: Server, clients: int, scale: Scale) -> Run:
    """Load a server to its limit."""
    async with crowd(tracker_url(server), clients, swarms()) as peers:
        gc.collect()
        gc.freeze()  # garbage collection of the load would count as the server's delay
        try:
            await peers.announce_always()
            await asyncio.sleep(scale.warm_up_s)
            before, meter = peers.received(), Meter(server)
            await asyncio.sleep(scale.window_s)
            run = Run(peers.received().since(before), meter.usage())
        finally:
            gc.unfreeze()
        peers.check()
    return run


async def relay(
    server: Server, announces_per_s: float, scale: Scale
) -> tuple[list[float], float, CoreUsage]:
    """Return the delays of offers at a steady load, milliseconds, and the announces/s reached."""
    async with crowd(tracker_url(server), scale.relay_clients, swarms()) as peers:
        await peers.announce_once()
        gc.collect()
        gc.freeze()
        try:
            meter = Meter(server)
            delays, announces = await peers.paced(announces_per_s, scale.relay_s)
            usage = meter.usage()
        finally:
            gc.unfreeze()
        peers.check()
    return delays, announces / scale.relay_s, usage


async def idle_kb(server: Server, connections: int) -> float:
    """Return the memory of a connection that announced once and stays open, kilobytes."""
    before = memory_mb(server.process.pid)
    async with crowd(tracker_url(server), connections, swarms()) as peers:
        await peers.announce_once()
        await asyncio.sleep(SETTLE_S)
        peers.check()
        return (memory_mb(server.process.pid) - before) * 1_000 / connections


def measure_in_turn(
    servers: dict[str, Start], folder: Path, scale: Scale
) -> dict[tuple[str, int], Run]:
    """Load each server with each number of clients; return the median round of each."""
    runs: dict[tuple[str, int], list[Run]] = {}
    for clients in scale.clients:
        for _ in range(scale.rounds):
            for name, start in servers.items():
                with start(folder) as server:
                    run = asyncio.run(throughput(server, clients, scale))
                console.print(f"{name} at {clients:,}: {run.per_s:,.0f} messages/s; {run.usage}")
                runs.setdefault((name, clients), []).append(run)
    return {key: median_low(several) for key, several in runs.items()}


def median_low(runs: Sequence[Run]) -> Run:
    """Return the run with the lower median of messages per second."""
    return sorted(runs, key=lambda run: run.per_s)[(len(runs) - 1) // 2]


def raise_file_limit(files: int) -> None:
    """Allow this process and the servers that it starts this number of open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < files:
        raise SystemExit(
            f"this bench needs {files} open files, but the hard limit is {hard}: raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def throughput_results(runs: dict[tuple[str, int], Run]) -> dict[str, Any]:
    """Return the rates, their ratios, and the runs that were limited by the load or disturbed."""
    results: dict[str, Any] = {}
    for (name, clients), run in runs.items():
        theirs = runs[THEIRS, clients]
        results[f"messages_per_s_{name}_{clients}"] = round(run.per_s)
        results[f"messages_per_cpu_s_{name}_{clients}"] = round(run.per_s / run.usage.server)
        per_announce = run.received.messages / run.received.announced
        results[f"messages_per_announce_{name}_{clients}"] = per_announce
        if name == OURS:
            results[f"ratio_to_bittorrent_tracker_{clients}"] = run.per_s / theirs.per_s
        elif name == AQUATIC_WS:
            results[f"ratio_of_aquatic_ws_{clients}"] = run.per_s / theirs.per_s
    named = [(f"{name} {clients}", run.usage) for (name, clients), run in runs.items()]
    results["load_bound"] = [name for name, usage in named if usage.load_bound]
    results["disturbed"] = [name for name, usage in named if usage.disturbed]
    return results


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short and small runs")
    scale = QUICK if parser.parse_args().quick else Scale()
    raise_file_limit(max(*scale.clients, scale.idle, scale.viewers) + SPARE_FILES)
    servers: dict[str, Start] = {OURS: shoal_signaling, THEIRS: bittorrent_tracker}
    if AQUATIC.exists():
        servers[AQUATIC_WS] = aquatic_ws
    else:
        console.print(f"aquatic_ws is not built, so it is left out; to build it: {BUILD_AQUATIC}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = measure_in_turn(servers, folder, scale)
        results = throughput_results(runs)
        maximum = runs[OURS, scale.relay_clients].received
        rate = maximum.announced / maximum.at_s / 2
        with shoal_signaling(folder) as server:
            delays, reached, usage = asyncio.run(relay(server, rate, scale))
        console.print(f"relay: {reached:,.0f} of {rate:,.0f} announces/s; {usage}")
        too_slow = reached < MIN_PACE * rate
        results["disturbed"] += ["relay"] if usage.disturbed or too_slow else []
        results["relay_announces_per_s"] = reached
        results["relay_p50_ms"] = statistics.median(delays)
        results["relay_p99_ms"] = statistics.quantiles(delays, n=100)[98]
        with shoal_signaling(folder) as server:
            results["idle_kb_per_connection"] = asyncio.run(idle_kb(server, scale.idle))
        with shoal_signaling(folder) as server:
            meter = Meter(server)
            outcome = asyncio.run(storm(f"{server.url}/room", scale.viewers, scale.storm_s, token))
            console.print(f"join storm; {meter.usage()}")
            results |= storm_results(outcome)
            results["join_storm_memory_mb_most"] = memory_mb(server.process.pid, "VmHWM")
    record("signaling", results, [(key, as_text(value)) for key, value in results.items()])


def storm_results(outcome: JoinStorm) -> dict[str, Any]:
    """Return how many viewers were refused, why, and how long the others waited."""
    reasons = {reason: outcome.refused.count(reason) for reason in set(outcome.refused)}
    return {
        "join_storm_refused": len(outcome.refused),
        "join_storm_reasons": reasons,
        "join_storm_all_in_s": outcome.all_in_s,
        "join_storm_wait_s_worst": max(outcome.waits_s, default=0.0),
    }


def as_text(value: object) -> str:
    """Return a value for the table."""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()

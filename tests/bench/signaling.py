"""`make bench-signaling`: how much of a crowd one core holds, and beside other trackers.

- throughput: messages that clients receive per second when all of them announce as fast as they get
  answers, one swarm, five offers each; ours, npm bittorrent-tracker's server and, once built,
  aquatic_ws, by turns; the server on one core, the load on another;
- relay: an offer's send → its arrival, at half the load that was the most;
- memory: resident growth per connection that announced once and stays;
- join storm: thousands of viewers come to the rooms within ten seconds.

`ARGS="--quick"` makes all of it short and small.
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
from tests.bench.core_usage import Meter, Shares
from tests.bench.record import memory_mb, record
from tests.bench.room_load import Storm, storm
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
"""with less of the relay's pace, the load had other things to do"""

console = Console()

OURS, THEIRS, AQUATIC_WS = "shoal", "bittorrent_tracker", "aquatic_ws"


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

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
    shares: Shares

    @property
    def per_s(self) -> float:
        """Messages that clients received, per second."""
        return self.received.messages / self.received.at_s


def swarms() -> list[str]:
    """The info_hashes that any station's tracker takes."""
    return sorted(info_hashes(SWARM_ID))


def tracker_url(server: Server) -> str:
    """Where a viewer's p2p-media-loader finds the tracker; others do not look at the query."""
    return f"{server.url}?token={token()}"


async def throughput(server: Server, clients: int, scale: Scale) -> Run:
    """Load a server with as much as it takes."""
    async with crowd(tracker_url(server), clients, swarms()) as everybody:
        gc.collect()
        gc.freeze()  # the load's own collections are no delay of the server's
        try:
            await everybody.announce_always()
            await asyncio.sleep(scale.warm_up_s)
            before, meter = everybody.received(), Meter(server)
            await asyncio.sleep(scale.window_s)
            run = Run(everybody.received().since(before), meter.shares())
        finally:
            gc.unfreeze()
        everybody.check()
    return run


async def relay(
    server: Server, announces_per_s: float, scale: Scale
) -> tuple[list[float], float, Shares]:
    """Delays of offers at a steady load, milliseconds, and the announces a second that it had."""
    async with crowd(tracker_url(server), scale.relay_clients, swarms()) as everybody:
        await everybody.announce_once()
        gc.collect()
        gc.freeze()
        try:
            meter = Meter(server)
            delays, announces = await everybody.paced(announces_per_s, scale.relay_s)
            shares = meter.shares()
        finally:
            gc.unfreeze()
        everybody.check()
    return delays, announces / scale.relay_s, shares


async def idle_kb(server: Server, connections: int) -> float:
    """Memory that a connection takes which announced once, kilobytes."""
    before = memory_mb(server.process.pid)
    async with crowd(tracker_url(server), connections, swarms()) as everybody:
        await everybody.announce_once()
        await asyncio.sleep(SETTLE_S)
        everybody.check()
        return (memory_mb(server.process.pid) - before) * 1_000 / connections


def by_turns(servers: dict[str, Start], folder: Path, scale: Scale) -> dict[tuple[str, int], Run]:
    """Load each server with each crowd; of several rounds the one with the median figure."""
    runs: dict[tuple[str, int], list[Run]] = {}
    for clients in scale.clients:
        for _ in range(scale.rounds):
            for name, start in servers.items():
                with start(folder) as server:
                    run = asyncio.run(throughput(server, clients, scale))
                console.print(f"{name} at {clients:,}: {run.per_s:,.0f} messages/s; {run.shares}")
                runs.setdefault((name, clients), []).append(run)
    return {key: median_low(several) for key, several in runs.items()}


def median_low(runs: Sequence[Run]) -> Run:
    """The run in the middle, by its messages per second."""
    return sorted(runs, key=lambda run: run.per_s)[(len(runs) - 1) // 2]


def raise_file_limit(files: int) -> None:
    """Let this process, and the servers that it starts, have so many open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < files:
        raise SystemExit(f"needs {files} open files and may have {hard}: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def figures_of(runs: dict[tuple[str, int], Run]) -> dict[str, Any]:
    """Rates of every server and crowd, the ratios, and the figures that only bound a server."""
    figures: dict[str, Any] = {}
    for (name, clients), run in runs.items():
        theirs = runs[THEIRS, clients]
        figures[f"messages_per_s_{name}_{clients}"] = round(run.per_s)
        figures[f"messages_per_cpu_s_{name}_{clients}"] = round(run.per_s / run.shares.server)
        per_announce = run.received.messages / run.received.announced
        figures[f"messages_per_announce_{name}_{clients}"] = per_announce
        if name == OURS:
            figures[f"ratio_to_bittorrent_tracker_{clients}"] = run.per_s / theirs.per_s
        elif name == AQUATIC_WS:
            figures[f"ratio_of_aquatic_ws_{clients}"] = run.per_s / theirs.per_s
    named = [(f"{name} {clients}", run.shares) for (name, clients), run in runs.items()]
    figures["load_bound"] = [name for name, shares in named if shares.load_bound]
    figures["disturbed"] = [name for name, shares in named if shares.disturbed]
    return figures


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="all of it short and small")
    scale = QUICK if parser.parse_args().quick else Scale()
    raise_file_limit(max(*scale.clients, scale.idle, scale.viewers) + SPARE_FILES)
    servers: dict[str, Start] = {OURS: shoal_signaling, THEIRS: bittorrent_tracker}
    if AQUATIC.exists():
        servers[AQUATIC_WS] = aquatic_ws
    else:
        console.print(f"without aquatic_ws; where cargo is at hand: {BUILD_AQUATIC}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = by_turns(servers, folder, scale)
        figures = figures_of(runs)
        most = runs[OURS, scale.relay_clients].received
        rate = most.announced / most.at_s / 2
        with shoal_signaling(folder) as server:
            delays, reached, shares = asyncio.run(relay(server, rate, scale))
        console.print(f"{reached:,.0f} of {rate:,.0f} announces/s; {shares}")
        slept = reached < MIN_PACE * rate
        figures["disturbed"] += ["relay"] if shares.disturbed or slept else []
        figures["relay_announces_per_s"] = reached
        figures["relay_p50_ms"] = statistics.median(delays)
        figures["relay_p99_ms"] = statistics.quantiles(delays, n=100)[98]
        with shoal_signaling(folder) as server:
            figures["idle_kb_per_connection"] = asyncio.run(idle_kb(server, scale.idle))
        with shoal_signaling(folder) as server:
            meter = Meter(server)
            fared = asyncio.run(storm(f"{server.url}/room", scale.viewers, scale.storm_s, token))
            console.print(f"join storm; {meter.shares()}")
            figures |= storm_figures(fared)
            figures["join_storm_memory_mb_most"] = memory_mb(server.process.pid, "VmHWM")
    record("signaling", figures, [(key, shown(value)) for key, value in figures.items()])


def storm_figures(fared: Storm) -> dict[str, Any]:
    """How many were refused, why, and how long the others waited."""
    reasons = {why: fared.refused.count(why) for why in set(fared.refused)}
    return {
        "join_storm_refused": len(fared.refused),
        "join_storm_reasons": reasons,
        "join_storm_all_in_s": fared.all_in_s,
        "join_storm_wait_s_worst": max(fared.waits_s, default=0.0),
    }


def shown(value: object) -> str:
    """A figure in the table."""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()

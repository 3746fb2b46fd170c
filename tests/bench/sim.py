"""`make sim`: rooms of 1,000, 10,000 and 100,000 viewers, by the product's own rooms and plan.

Viewers join within a minute and settle for another, while some leave and others join. Then a window
of segments is counted. The docstrings of sim_crowd, sim_links, sim_station, sim_exchange and
sim_uplink describe the model. The same seed always gives the same results.

`ARGS="--viewers 1000 --seed 2"` runs one crowd, drawn with another seed.
"""

import argparse
import gc
import time
from dataclasses import dataclass
from typing import Any

from shoal.segments import Descriptor
from tests.bench.record import record
from tests.bench.sim_crowd import Crowd, Viewer
from tests.bench.sim_exchange import SEGMENT_BYTES, exchange
from tests.bench.sim_links import Pairs
from tests.bench.sim_results import Window, results
from tests.bench.sim_station import Station

VIEWERS = (1_000, 10_000, 100_000)
MAX_STARTUP_S = 15.0
"""a viewer's start-up is then over, whether it is ready or not"""
OLD_SEGMENTS = 2
"""segments that a new viewer plays although they were announced before it joined"""


@dataclass(frozen=True)
class Spans:
    """How long each phase lasts, seconds."""

    arrival: float = 60.0
    settling: float = 60.0
    """rooms and links only: no segments are exchanged"""
    warm_up: float = 20.0
    """segments are exchanged, but not counted"""
    window: float = 60.0


class Simulation:
    """One crowd."""

    def __init__(self, viewers: int, seed: int, spans: Spans) -> None:
        self._spans = spans
        self._sharing = False
        self._window: Window | None = None
        self._segments = 0
        crowd = Crowd(viewers, spans.arrival, seed)
        self._station = Station(crowd, Pairs(seed), self._segment)

    def run(self) -> dict[str, Any]:
        """Return the results of the window, by name as in `.bench/sim.json`."""
        station, spans = self._station, self._spans
        station.run(spans.arrival + spans.settling)
        self._sharing = True
        station.run(station.now + spans.warm_up)
        present = list(station.viewers.values())
        for viewer in present:
            viewer.uplink.sent = 0.0
        joined, messages = station.joined, station.messages.copy()
        window = self._window = Window(seconds=spans.window)
        station.run(station.now + spans.window)
        window.messages = station.messages - messages
        window.startup.late += (station.joined - joined) * OLD_SEGMENTS * SEGMENT_BYTES
        stayed = [viewer for viewer in present if viewer.id in station.viewers]
        return results(window, stayed, self._segments)

    def _segment(self, descriptor: Descriptor, rooms: list[list[Viewer]]) -> None:
        """Exchange a segment in every room."""
        now = self._station.now
        self._segments += self._window is not None
        for members in rooms:
            roster = members[0].roster
            assert roster is not None
            for viewer, entry in zip(members, roster.members, strict=True):
                viewer.started |= entry.ready or now - viewer.joins_at > MAX_STARTUP_S
            if self._sharing:
                receipts = exchange(members, roster, descriptor, now)
                if self._window is not None:
                    self._window.add(receipts, len(members), descriptor.size)


def simulate(viewers: int, seed: int = 1, spans: Spans = Spans()) -> dict[str, Any]:
    """Return the results of a crowd, and as `seconds` the processor time of the simulation."""
    started = time.process_time()
    gc.disable()  # there are no cycles, and the search for them takes longer and longer
    try:
        outcome = Simulation(viewers, seed, spans).run()
    finally:
        gc.enable()
    return outcome | {"seconds": time.process_time() - started}


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--viewers",
        type=int,
        action="append",
        help="size of a crowd, instead of the three; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=1, help="of all draws [%(default)s]")
    arguments = parser.parse_args()
    outcomes: dict[str, dict[str, Any]] = {}
    for viewers in arguments.viewers or VIEWERS:
        crowd = f"viewers_{viewers}"
        outcomes[crowd] = simulate(viewers, arguments.seed)
        rows = [(f"{crowd} {name}", as_text(value)) for name, value in outcomes[crowd].items()]
        record("sim", outcomes, rows)  # after each crowd, since the next one takes long


def as_text(value: object) -> str:
    """Return a value for the table."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {as_text(one)}" for name, one in value.items())
    return f"{value:,.3f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()

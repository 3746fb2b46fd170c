"""`make sim`: rooms of 1,000, 10,000 and 100,000 viewers, by the product's own rooms and plan.

Viewers come within a minute, are let settle while some leave and others come, and then a window of
segments is counted. What is modelled is in the modules' own words: sim_crowd, sim_links,
sim_station, sim_exchange, sim_uplink. With the same seed it comes to the same figures.

`ARGS="--viewers 1000 --seed 2"` runs one crowd with other draws.
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
from tests.bench.sim_results import Window, figures
from tests.bench.sim_station import Station

VIEWERS = (1_000, 10_000, 100_000)
MAX_STARTUP_S = 15.0
"""after so long a viewer's start-up is over, ready or not"""
BEFORE_ANNOUNCED = 2
"""segments that a newcomer plays although they were announced before it came"""


@dataclass(frozen=True)
class Spans:
    """How long what lasts, seconds."""

    arrival: float = 60.0
    settling: float = 60.0
    """rooms only: nothing is shared out"""
    warm_up: float = 20.0
    """everything, not counted"""
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
        """Return the figures of the window."""
        station, spans = self._station, self._spans
        station.run(spans.arrival + spans.settling)
        self._sharing = True
        station.run(station.now + spans.warm_up)
        there = list(station.viewers.values())
        for viewer in there:
            viewer.uplink.sent = 0.0
        joined, messages = station.joined, station.messages.copy()
        window = self._window = Window(seconds=spans.window)
        station.run(station.now + spans.window)
        window.messages = station.messages - messages
        window.startup.late += (station.joined - joined) * BEFORE_ANNOUNCED * SEGMENT_BYTES
        stayed = [viewer for viewer in there if viewer.id in station.viewers]
        return figures(window, stayed, self._segments)

    def _segment(self, descriptor: Descriptor, rooms: list[list[Viewer]]) -> None:
        """Share a segment out in every room."""
        now = self._station.now
        self._segments += self._window is not None
        for members in rooms:
            told = members[0].room
            assert told is not None
            for viewer, line in zip(members, told.members, strict=True):
                viewer.begun |= line.ready or now - viewer.came_at > MAX_STARTUP_S
            if self._sharing:
                receipts = exchange(members, told, descriptor, now)
                if self._window is not None:
                    self._window.add(receipts, len(members), descriptor.size)


def simulate(viewers: int, seed: int = 1, spans: Spans = Spans()) -> dict[str, Any]:
    """Return the figures of a crowd, and the processor time that they took."""
    begun = time.process_time()
    gc.disable()  # nothing here is in circles, and looking for them takes ever longer
    try:
        found = Simulation(viewers, seed, spans).run()
    finally:
        gc.enable()
    return found | {"seconds": time.process_time() - begun}


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, action="append", help="crowds instead of the three")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for viewers in arguments.viewers or VIEWERS:
        crowd = f"viewers_{viewers}"
        found[crowd] = simulate(viewers, arguments.seed)
        rows = [(f"{crowd} {name}", shown(value)) for name, value in found[crowd].items()]
        record("sim", found, rows)  # with those before: the next one takes long


def shown(value: object) -> str:
    """A figure for the table."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
    return f"{value:,.3f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()

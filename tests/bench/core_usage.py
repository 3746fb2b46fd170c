"""What used the cores during a measurement."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.trackers import LOAD_CORE, SERVER_CORE, Server

BUSY = 0.95
"""of a core: from here on, the core limits the result"""
MAX_OTHERS = 0.1
"""of a core, for other programs: with more, the result is less reliable"""


@dataclass(frozen=True)
class CoreUsage:
    """Fractions of a core, 0 to 1."""

    load: float
    """of the load's core, by the load"""
    server: float
    """of the server's core, by the server"""
    others: float
    """of either of the two cores, by other programs; the larger"""

    @property
    def load_bound(self) -> bool:
        """Whether the load was at its limit and the server was not."""
        return self.load > BUSY >= self.server

    @property
    def disturbed(self) -> bool:
        """Whether the server or the load had to share its core."""
        return self.others > MAX_OTHERS

    def __str__(self) -> str:
        return f"load {self.load:.0%}, server {self.server:.0%}, others {self.others:.0%} of a core"


class Meter:
    """Measures from its construction to `usage()`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._start = self._now()

    def usage(self) -> CoreUsage:
        """Return the average usage since construction."""
        wall, load, server, load_core, server_core = (
            now - then for now, then in zip(self._now(), self._start, strict=True)
        )
        others = max(0.0, load_core - load, server_core - server)
        return CoreUsage(load / wall, server / wall, others / wall)

    def _now(self) -> tuple[float, float, float, float, float]:
        cores = (_busy_s(LOAD_CORE), _busy_s(SERVER_CORE))
        return time.perf_counter(), time.process_time(), self._server.cpu_s(), *cores


def _busy_s(core: int) -> float:
    """Return the time that a core was neither idle nor waiting for a disk, seconds."""
    lines = Path("/proc/stat").read_text().splitlines()
    fields = next(line.split()[1:] for line in lines if line.startswith(f"cpu{core} "))
    # user, nice, system, idle, iowait, irq, softirq, steal; user includes guests
    ticks = [int(field) for field in fields[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")

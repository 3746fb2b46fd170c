"""How busy this machine is, and what a program with all its children uses of it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.bench.record import cpu_s


def ticks() -> tuple[int, int]:
    """Ticks of all cores since they started: idle ones, and all."""
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def idle_pct(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Percent of the time between two readings of `ticks` that the cores had nothing to do."""
    return 100 * (after[0] - before[0]) / max(1, after[1] - before[1])


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += (int(child) for child in (task / "children").read_text().split())
    return found


def used_s(pid: int) -> float:
    """Processor time that a process and its descendants have used, seconds."""
    total = 0.0
    for one in tree(pid):
        with suppress(OSError):
            total += cpu_s(one)
    return total


def tell(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and to all that descend from it."""
    for one in tree(pid):
        with suppress(ProcessLookupError):
            os.kill(one, number)

"""How busy this machine is, and how much of it a process and its descendants use."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.bench.record import cpu_s


def ticks() -> tuple[int, int]:
    """Return the ticks of all cores since boot: idle, and total."""
    # user, nice, system, idle, iowait, irq, softirq, steal; user includes guests
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def idle_pct(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return the idle time of the cores between two results of `ticks`, percent."""
    return 100 * (after[0] - before[0]) / max(1, after[1] - before[1])


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += (int(child) for child in (task / "children").read_text().split())
    return found


def used_s(pid: int) -> float:
    """Return the processor time of a process and its descendants, seconds."""
    total = 0.0
    for one in tree(pid):
        with suppress(OSError):
            total += cpu_s(one)
    return total


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all its descendants."""
    for one in tree(pid):
        with suppress(ProcessLookupError):
            os.kill(one, number)

"""The results of a bench: a table in the terminal, and `.bench/<name>.json`."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def machine() -> str:
    """Return the cores, processor, memory and kernel of this machine, in one line."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((x.split(":")[1].strip() for x in info.splitlines() if "model name" in x), "?")
    total_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{os.cpu_count()} cores ({model}), {total_kb / 2**20:.0f} GiB, {platform.release()}"


def load() -> list[float]:
    """Return the load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def record(name: str, results: dict[str, Any], rows: list[tuple[str, str]]) -> None:
    """Print `rows` as a table and write `results` to `.bench/<name>.json`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    table = Table(title=f"{name}, {now}", caption=f"{machine()}; load {load()}")
    table.add_column("result")
    table.add_column("value", justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    content = {"name": name, "at": now, "machine": machine(), "load": load(), "figures": results}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def memory_mb(pid: int, line_of_status: str = "VmRSS") -> float:
    """Return the resident memory of a process, MB; with `VmHWM` its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{line_of_status}:"):
            return int(line.split()[1]) / 1000
    return 0.0


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

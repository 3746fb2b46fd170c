"""What this host's network interfaces have sent: counted by the kernel, whoever sent it."""

from pathlib import Path

NETWORK = Path("/proc/self/net")
DEFAULT_ROUTE = "00000000"
TRANSMITTED = 8
"""column of /proc/net/dev, after the interface's name"""


def sent_bytes(network: Path = NETWORK) -> int | None:
    """Return the bytes sent by the interfaces that lead to the internet; None without one.

    That is all traffic since they came up, headers included. Raises nothing: a host that does not
    tell is one without.
    """
    try:
        outward = _outward((network / "route").read_text())
        return _sent((network / "dev").read_text(), outward) if outward else None
    except (OSError, ValueError, IndexError):
        return None


def _outward(routes: str) -> set[str]:
    rows = (line.split() for line in routes.splitlines()[1:])
    return {row[0] for row in rows if len(row) > 1 and row[1] == DEFAULT_ROUTE}


def _sent(devices: str, names: set[str]) -> int:
    total = 0
    for line in devices.splitlines()[2:]:
        name, _, counters = line.partition(":")
        if name.strip() in names:
            total += int(counters.split()[TRANSMITTED])
    return total

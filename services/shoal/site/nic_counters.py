"""Bytes that this host's network interfaces have sent, as the kernel counts them."""

from pathlib import Path

NETWORK = Path("/proc/self/net")
DEFAULT_ROUTE = "00000000"
TRANSMITTED = 8
"""column of /proc/net/dev, after the interface's name"""


def sent_bytes(network: Path = NETWORK) -> int | None:
    """Return the bytes sent by the interfaces with a default route, or None if there are none.

    That is all their traffic since they came up, headers included, whoever sent it. Never raises:
    if the files cannot be read, the result is None.
    """
    try:
        interfaces = _internet_interfaces((network / "route").read_text())
        return _sent((network / "dev").read_text(), interfaces) if interfaces else None
    except (OSError, ValueError, IndexError):
        return None


def _internet_interfaces(routes: str) -> set[str]:
    rows = (line.split() for line in routes.splitlines()[1:])
    return {row[0] for row in rows if len(row) > 1 and row[1] == DEFAULT_ROUTE}


def _sent(devices: str, interfaces: set[str]) -> int:
    total = 0
    for line in devices.splitlines()[2:]:
        name, _, counters = line.partition(":")
        if name.strip() in interfaces:
            total += int(counters.split()[TRANSMITTED])
    return total

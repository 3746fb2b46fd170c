"""TCP ports on loopback: find free ones, and the owner of one that is in use."""

import contextlib
import errno
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LISTEN_STATE = "0A"  # linux, include/net/tcp_states.h: TCP_LISTEN

_reservations: dict[int, socket.socket] = {}


def loopback_hosts() -> list[str]:
    """Return the loopback addresses of this machine: IPv4, and IPv6 where it exists.

    "localhost" may resolve to either, so servers must listen on both.
    """
    hosts = ["127.0.0.1"]
    if socket.has_ipv6:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            hosts.append("::1")
    return hosts


def is_free(port: int) -> bool:
    """Return whether `port` is free on every loopback address."""
    for host in loopback_hosts():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise
    return True


def free_port() -> int:
    """Return a port that is free now, for a caller that listens on it at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(names: Sequence[str], remembered: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each name; its `remembered` port if that is still free.

    Stable ports keep object URLs valid over a restart. The ports are reserved until this process
    ends, because a station's services take seconds until they listen.
    """
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        if port and port not in chosen.values() and is_free(port) and _reserve(port):
            chosen[name] = port
    with contextlib.ExitStack() as held:  # keep all of them open, so that no two are the same
        for name in names:
            while name not in chosen:
                probe = held.enter_context(socket.socket())
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
                if port not in chosen.values() and _reserve(port):
                    chosen[name] = port
    return chosen


def _reserve(port: int) -> bool:
    """Reserve a port among processes that use this module; return whether that succeeded."""
    if port in _reservations or sys.platform != "linux":
        return True
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(
            f"\0shoal-port-{port}"
        )  # an abstract name, which goes away with the process
    except OSError:
        reservation.close()
        return False
    _reservations[port] = reservation
    return True


def owner(port: int) -> str | None:
    """Return "name (pid N)" of the process that listens on `port`, or None if unknown."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
            if (found := re.fullmatch(r"socket:\[(\d+)\]", target)) and found[1] in inodes:
                process = descriptor.parent.parent
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # it has ended, or belongs to another user
            continue
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN_STATE and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes

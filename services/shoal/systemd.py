"""Telling systemd how a service is: sd_notify(3), and its watchdog's pings.

Everything here does nothing where systemd did not ask for it ($NOTIFY_SOCKET, $WATCHDOG_USEC), and
nothing raises: a service goes on without its supervisor's ear.
"""

import asyncio
import logging
import os
import socket

log = logging.getLogger("shoal.systemd")

SEND_TIMEOUT_S = 1.0
PINGS_PER_TIMEOUT = 2
"""as sd_watchdog_enabled(3) recommends"""


def ready(status: str) -> None:
    """Say that the service has started, and ping the watchdog from this event loop from now on.

    The pings are the loop's own, so that a loop that hangs falls silent. `status` is one line for
    `systemctl status`.
    """
    _notify("READY=1", f"STATUS={status}")
    timeout_s = _watchdog_timeout_s()
    if timeout_s is not None:
        _ping(asyncio.get_running_loop(), timeout_s / PINGS_PER_TIMEOUT)


def stopping() -> None:
    """Say that the service has begun to stop."""
    _notify("STOPPING=1", "STATUS=stopping")


def _ping(loop: asyncio.AbstractEventLoop, every_s: float) -> None:
    _notify("WATCHDOG=1")
    loop.call_later(every_s, _ping, loop, every_s)


def _watchdog_timeout_s() -> float | None:
    """Return after how much silence systemd kills this process; None when it does not watch it."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    ours = not pid or pid == str(os.getpid())
    watched = ours and microseconds.isdecimal() and int(microseconds) > 0
    return int(microseconds) / 1e6 if watched else None


def _notify(*assignments: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # in Linux' abstract namespace
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(SEND_TIMEOUT_S)
            sender.sendto("\n".join(assignments).encode(), address)
    except (OSError, ValueError) as error:
        log.warning("cannot tell systemd %s: %s", assignments[0], error)

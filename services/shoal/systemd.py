"""Notifies systemd of a service's state: sd_notify(3), and pings of its watchdog.

All of this does nothing unless systemd asks for it ($NOTIFY_SOCKET, $WATCHDOG_USEC), and never
raises: a service runs on even if systemd cannot be notified.
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
    """Report that the service has started, and ping the watchdog from this event loop from now on.

    The loop itself sends the pings, so they stop when it hangs. `status` is one line for
    `systemctl status`.
    """
    _notify("READY=1", f"STATUS={status}")
    timeout_s = _watchdog_timeout_s()
    if timeout_s is not None:
        _ping(asyncio.get_running_loop(), timeout_s / PINGS_PER_TIMEOUT)


def stopping() -> None:
    """Report that the service is stopping."""
    _notify("STOPPING=1", "STATUS=stopping")


def _ping(loop: asyncio.AbstractEventLoop, every_s: float) -> None:
    _notify("WATCHDOG=1")
    loop.call_later(every_s, _ping, loop, every_s)


def _watchdog_timeout_s() -> float | None:
    """Return after how long without pings systemd kills this process; None without a watchdog."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    for_this_process = not pid or pid == str(os.getpid())
    watched = for_this_process and microseconds.isdecimal() and int(microseconds) > 0
    return int(microseconds) / 1e6 if watched else None


def _notify(*assignments: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # in Linux's abstract namespace
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.settimeout(SEND_TIMEOUT_S)
            client.sendto("\n".join(assignments).encode(), address)
    except (OSError, ValueError) as error:
        log.warning("cannot send %s to systemd: %s", assignments[0], error)

"""Shaped links for a bench: each viewer has its own network namespace, joined by a bridge.

The bench itself and the station that it starts run in a network and process namespace of their own
(`run_isolated`). No namespace has a name and nothing is made outside of them, so everything is gone
with the bench's last process, however that ends.

In a viewer's namespace, 127.0.0.1 leads over the viewer's link to the station's services, which
listen on loopback. So their URLs are valid everywhere, and browsers treat them as secure.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("setpriv", "unshare", "nsenter", "ip", "tc")
ISOLATED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""the kernel kills all processes inside when the bench or the first of them ends"""
BRIDGE = "bridge"
HUB = "10.88.0.1"
QUEUE = ("burst", "64kb", "latency", "300ms")
PROBE = (
    "ip link add one type veth peer name two && ip link add hub type bridge"
    f" && tc qdisc add dev one root tbf rate 1mbit {' '.join(QUEUE)}"
    " && echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"
)


@dataclass(frozen=True)
class Link:
    """The rates of a viewer's link, Mbit/s."""

    up: float
    down: float = 40


def missing() -> str | None:
    """Return why namespaces and shaped links are impossible here; None if they are possible."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    probe = subprocess.run(
        [*ISOLATED, "sh", "-c", PROBE], capture_output=True, text=True, check=False
    )
    return (
        probe.stderr.strip() or "making namespaces failed without a message"
        if probe.returncode
        else None
    )


def run_isolated(command: Sequence[str]) -> int:
    """Run a command in new namespaces; return its exit status.

    On the first SIGINT, SIGTERM or SIGHUP, the command gets a SIGINT. On the second, it is killed
    with everything that it started.
    """
    process = subprocess.Popen([*ISOLATED, *command], start_new_session=True)
    stopping = False

    def stop(number: int, _frame: object) -> None:
        nonlocal stopping
        sys.stderr.write(f"{signal.Signals(number).name}: stopping\n")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        inner = "" if stopping else children.read_text()
        stopping = True
        if inner:  # unshare itself ignores signals
            os.kill(int(inner.split()[0]), signal.SIGINT)
        else:
            process.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    return process.wait()


class Network:
    """The links of some viewers, in the namespace of this process."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._holders: list[subprocess.Popen[str]] = []
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        try:
            _run("ip", "addr", "add", f"{HUB}/16", "dev", BRIDGE)
            _run("ip", "link", "set", BRIDGE, "up")
            # packets from a viewer may go to 127.0.0.1, and on to other viewers. The hub routes
            # them, because the kernel keeps only 1,024 neighbors for all namespaces together
            for name, value in (
                *(("conf/all/route_localnet", "1"), ("ip_forward", "1")),
                *(("conf/all/send_redirects", "0"), (f"conf/{BRIDGE}/send_redirects", "0")),
            ):
                Path("/proc/sys/net/ipv4", name).write_text(value)
            for link in links:
                self._add(link)
        except BaseException:
            self.close()
            raise

    def _add(self, link: Link) -> None:
        number = len(self._holders)
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._holders.append(holder)
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        address, outside = _address(number), _outside(number)
        names = ("type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        _run("ip", "link", "add", outside, *names)
        _run("ip", "link", "set", outside, "master", BRIDGE, "up")
        inside = [
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
            "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet",
            f"ip addr add {address}/32 dev eth0",
            "ip link set eth0 up",
            f"ip route add {HUB}/32 dev eth0",
            "ip link set lo up",
            "ip addr del 127.0.0.1/8 dev lo",
            f"ip route add 127.0.0.1/32 via {HUB} src {address}",
            # to other viewers; browsers also take their own address from this route
            f"ip route add default via {HUB}",
        ]
        _run(*self.entering(number), "sh", "-ec", "; ".join(inside))
        _run("tc", "qdisc", "add", "dev", outside, *_tbf(link.down))
        _run(*self.entering(number), "tc", "qdisc", "add", "dev", "eth0", *_tbf(link.up))

    def entering(self, number: int) -> list[str]:
        """Return the words to put before a command, to run it behind a viewer's link."""
        return ["nsenter", f"--net=/proc/{self._holders[number].pid}/ns/net"]

    def shape(self, number: int, link: Link) -> None:
        """Change a viewer's link."""
        _run("tc", "qdisc", "change", "dev", _outside(number), *_tbf(link.down))
        change = ("tc", "qdisc", "change", "dev", "eth0", *_tbf(link.up))
        _run(*self.entering(number), *change)

    def disconnect(self, one: int, other: int) -> None:
        """Make two viewers unreachable for each other."""
        for here, there in ((one, other), (other, one)):
            _run(*self.entering(here), "ip", "route", "add", "blackhole", f"{_address(there)}/32")

    def close(self) -> None:
        """Remove all links and namespaces."""
        for holder in self._holders:
            holder.kill()
            holder.wait()
            if holder.stdout:
                holder.stdout.close()
        with suppress(subprocess.CalledProcessError):
            _run("ip", "link", "del", BRIDGE)
        for number in range(len(self._holders)):
            # it disappears with its other end, but not at once
            with suppress(subprocess.CalledProcessError):
                _run("ip", "link", "del", _outside(number))


def _address(number: int) -> str:
    return f"10.88.1.{number + 1}"


def _outside(number: int) -> str:
    return f"viewer{number}"


def _tbf(mbit: float) -> tuple[str, ...]:
    return ("root", "tbf", "rate", f"{mbit:g}mbit", *QUEUE)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)

"""A host to deploy to: a real systemd in its own namespaces, reached over ssh."""

import ctypes
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.station import wait_for

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ANSIBLE = ROOT / "ansible"
CACHE = Path("/var/cache/shoal-tests")
IMAGE_AGE_S = 18 * 3600
"""after a day the roles make apt update its lists, and a test host cannot reach any"""
BOOT_TIMEOUT_S = 60
PLAY_TIMEOUT_S = 900
GET = """
import sys, urllib.error, urllib.request
try:
    response = urllib.request.urlopen(sys.argv[1], timeout=10)
except urllib.error.HTTPError as error:
    response = error
sys.stdout.write(response.read().decode())
"""
CLONE_NEWNET = 0x40000000  # sched.h; os.setns is Python 3.12's


def image(suite: str) -> Path:
    """Return the root filesystem of a Debian release, built if there is no recent one."""
    folder = CACHE / suite
    script = HERE / "make-image"
    built_by = folder.with_name(f"{suite}.built-by")
    fresh = folder.exists() and time.time() - folder.stat().st_mtime < IMAGE_AGE_S
    if not fresh or not built_by.exists() or built_by.read_text() != script.read_text():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([script, suite, folder], check=True, timeout=600)
        os.utime(folder)
        built_by.write_text(script.read_text())
    return folder


@dataclass(frozen=True)
class Play:
    """A run of ansible-playbook."""

    status: int
    output: str

    def count(self, result: str) -> int:
        """Return a number of the recap, such as ok, changed or failed."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        found = re.search(rf"\b{result}=(\d+)", recap)
        return int(found[1]) if found else 0

    @property
    def changed(self) -> list[str]:
        """The tasks and handlers that changed something."""
        task, changed = "", list[str]()
        for line in self.output.splitlines():
            if header := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
                task = header[1]
            elif line.startswith("changed: "):
                changed.append(task)
        return changed

    def succeeded(self) -> "Play":
        """Return this play after checking that it succeeded."""
        assert self.status == 0, self.output[-6000:]
        return self


class Host:
    """A running host and its inventory."""

    def __init__(self, folder: Path, image: Path, name: str, address: str) -> None:
        self.folder = folder
        self.name = name
        self.address = address
        self._image = image
        self._inventory = folder / "hosts.yml"
        self.variables: dict[str, Any] = {}

    def boot(self, netns: str) -> None:
        """Start the host, and wait until it accepts ssh."""
        key = self.folder / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", key], check=True)
        host_key = (self._image / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"{self.address} {' '.join(host_key)}\n")
        (self.folder / "ssh_config").write_text(
            f"Host {self.address}\n  User admin\n  IdentityFile {key}\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking yes\n"
            f"  ControlMaster auto\n  ControlPersist 300\n  ControlPath {self.folder}/ssh-%C\n"
        )
        with (self.folder / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                [HERE / "boot-host", self._image, self.name, netns, f"{key}.pub"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_booted()

    def wait_booted(self) -> None:
        """Wait until systemd has started everything."""

        def booted() -> bool:
            assert self._process.poll() is None, (self.folder / "console.log").read_text()
            state = self.run("systemctl is-system-running", check=False)
            return state in ("running", "degraded")

        wait_for("the host has booted", booted, BOOT_TIMEOUT_S)

    def run(self, command: str, *, check: bool = True, timeout_s: float = 60) -> str:
        """Run a shell command as root; return what it prints."""
        result = subprocess.run(
            [
                *("ssh", "-F", self.folder / "ssh_config", "-o", "ConnectTimeout=2"),
                *(self.address, "sudo", "bash", "-c", shlex.quote(command)),
            ],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout.strip()

    def put(self, path: str, text: str) -> None:
        """Write a file."""
        self.run(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")

    def get(self, url: str) -> str:
        """Return the body of a GET request from the host itself, whatever the status."""
        return self.run(f"/usr/bin/python3 -c {shlex.quote(GET)} {shlex.quote(url)}")

    def play(self, *arguments: str, book: str = "site.yml", **variables: Any) -> Play:
        """Run a playbook with the host's variables; those given here take precedence."""
        inventory = {"shoal": {"hosts": {"origin": {**self.variables, **variables}}}}
        self._inventory.touch(mode=0o600)
        self._inventory.write_text(yaml.safe_dump(inventory))
        result = subprocess.run(
            [
                *(sys.executable, "-m", "ansible", "playbook"),
                *("-i", self._inventory, book, *arguments),
            ],
            cwd=ANSIBLE,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
                "ANSIBLE_SSH_ARGS": f"-F {self.folder}/ssh_config",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAY_TIMEOUT_S,
            check=False,
        )
        with (self.folder / "plays.log").open("a") as log:
            log.write(result.stdout)
        return Play(result.returncode, result.stdout)

    def reboot(self) -> None:
        """Restart the host from inside."""
        boot = self.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
        self.run("systemctl reboot", check=False)
        self._close_ssh()

        def restarted() -> bool:
            return self.run("stat -c %Y /proc/1", check=False) not in ("", boot.split()[-1])

        wait_for("the host restarts", restarted, BOOT_TIMEOUT_S)
        self.wait_booted()

    def _close_ssh(self) -> None:
        config = self.folder / "ssh_config"
        subprocess.run(
            ["ssh", "-F", config, "-O", "exit", self.address], capture_output=True, check=False
        )

    def stop(self) -> None:
        """Power the host off; nothing remains of it."""
        self._close_ssh()
        cgroup = _cgroup2() / self.name
        with suppress(OSError, IndexError):
            init = (cgroup / "payload/init.scope/cgroup.procs").read_text().split()[0]
            os.kill(int(init), signal.SIGRTMIN + 4)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        with suppress(OSError):
            Path("/run", self.name).rmdir()


def _cgroup2() -> Path:
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next(Path(fields[1]) for fields in mounts if fields[2] == "cgroup2")


@contextmanager
def network(name: str, host: str, outside: Mapping[str, str]) -> Iterator[str]:
    """Connect the host's network, named `name`, and the one outside, which this process enters.

    `host` is the host's address, `outside` are addresses of this process; all with a prefix length.
    Until the block ends, this process and its children cannot reach this machine's own network, nor
    anything beyond it.
    """
    outside_name = f"{name}-out"
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    commands = [
        f"ip netns add {name}",
        f"ip netns add {outside_name}",
        f"ip link add out0 netns {outside_name} type veth peer name host0 netns {name}",
        f"ip -n {name} addr add {host} dev host0",
        *(f"ip -n {outside_name} addr add {address} dev out0" for address in outside.values()),
        f"ip -n {outside_name} link set out0 up",
        f"ip -n {outside_name} link set lo up",
        f"ip -n {name} link set host0 up",
        f"ip -n {name} link set lo up",
        # leads nowhere, but without a default route browsers and seeders use no address for WebRTC
        f"ip -n {outside_name} route add default dev out0",
        f"ip -n {name} route add default dev host0",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        entered = os.open(f"/run/netns/{outside_name}", os.O_RDONLY)
        _enter(entered)
        os.close(entered)
        yield name
    finally:
        _enter(own)
        os.close(own)
        for netns in (name, outside_name):
            subprocess.run(["ip", "netns", "del", netns], check=False)


def _enter(netns: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(netns, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def opens(address: str, port: int, source: str, timeout_s: float = 1.5) -> bool:
    """Return whether a TCP port can be reached from one of this process's addresses."""
    try:
        socket.create_connection((address, port), timeout_s, (source, 0)).close()
    except OSError:
        return False
    return True

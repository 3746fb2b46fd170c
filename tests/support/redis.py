"""A real Redis server for tests, without persistence."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.station import free_port, wait_for

PASSWORD = "redis' password"


@dataclass
class RedisServer:
    """One server, which can be stopped and restarted on its port."""

    folder: Path
    port: int
    password: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, with the password if it has one."""
        user = ":redis%27%20password@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        program = shutil.which("redis-server")
        assert program, "the tests need redis-server: tools/need-redis"
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        if self.password:
            arguments += ["--requirepass", self.password]
        self.process = subprocess.Popen(
            [program, *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for("Redis answers", self._answers, 10)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return bool(connection.recv(64))
        except OSError:
            return False


@contextmanager
def redis_server(folder: Path, password: str = "") -> Iterator[RedisServer]:
    """Run a Redis server."""
    server = RedisServer(folder, free_port(), password)
    server.start()
    try:
        yield server
    finally:
        server.kill()

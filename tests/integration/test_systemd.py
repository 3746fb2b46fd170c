"""The notifications of real services to systemd, at a real socket."""

import asyncio
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoal import systemd
from shoal.local.store import Store
from tests.support.broadcaster import broadcaster
from tests.support.signaling import signaling
from tests.support.station import SHOAL, free_port

TIMEOUT_S = 20
WATCHDOG_S = 0.2
PING_S = WATCHDOG_S / 2


class Supervisor:
    """Systemd's side of the notification socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.address = address.replace("\0", "@")

    def next(self) -> list[str]:
        """Wait for one notification; return its assignments."""
        self.socket.settimeout(TIMEOUT_S)
        return self.socket.recv(4096).decode().split("\n")

    def received(self) -> list[str]:
        """Return the assignments received and not yet read."""
        self.socket.setblocking(False)
        lines: list[str] = []
        try:
            while True:
                lines += self.socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return lines

    def until(self, assignment: str) -> None:
        """Wait until a notification has this assignment."""
        while assignment not in self.next():
            pass


@pytest.fixture(params=["path", "abstract"])
def supervisor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    by_path = request.param == "path"
    waiting = Supervisor(str(tmp_path / "notify") if by_path else f"\0shoal-{uuid.uuid4()}")
    monkeypatch.setenv("NOTIFY_SOCKET", waiting.address)
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield waiting
    waiting.socket.close()


@contextmanager
def site_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("operator_token", "join_secret"):
        (folder / name).write_text("secret")
    url = f"http://127.0.0.1:{free_port()}"
    environment = {"SHOAL_SITE_URL": url, "CREDENTIALS_DIRECTORY": str(folder)}
    process = subprocess.Popen([*SHOAL, "site"], env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_site_reports_ready_alive_and_stopping(tmp_path: Path, supervisor: Supervisor) -> None:
    with site_process(tmp_path) as process:
        first = supervisor.next()
        assert first[0] == "READY=1"
        assert first[1].startswith("STATUS=listens on http://127.0.0.1:")
        assert [supervisor.next() for _ in range(3)] == [["WATCHDOG=1"]] * 3
        process.terminate()
        supervisor.until("STOPPING=1")
        assert process.wait(TIMEOUT_S) == 0


def test_signaling_does_so_too(tmp_path: Path, supervisor: Supervisor) -> None:
    with signaling(tmp_path):
        assert supervisor.next()[0] == "READY=1"
        assert supervisor.next() == ["WATCHDOG=1"]
    assert "STOPPING=1" in supervisor.received()


def test_the_broadcaster_does_so_too(
    tmp_path: Path, store: Store, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    (tmp_path / "hls").mkdir()
    with broadcaster(tmp_path, store) as station:
        assert supervisor.next()[0] == "READY=1"
        time.sleep(3 * PING_S)
        assert supervisor.received() == []  # the watchdog is for another process
        station.process.terminate()
        assert supervisor.next()[0] == "STOPPING=1"
        assert station.process.wait(TIMEOUT_S) == 0


def test_a_service_that_cannot_listen_is_never_ready(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(f"{__name__}.free_port", lambda: taken.getsockname()[1])
        with site_process(tmp_path) as process:
            assert process.wait(TIMEOUT_S) == 1
    assert supervisor.received() == []


async def test_a_blocked_event_loop_sends_no_pings(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    systemd.ready("lives")
    assert supervisor.received() == ["READY=1", "STATUS=lives", "WATCHDOG=1"]
    await asyncio.sleep(6 * PING_S)
    assert supervisor.received().count("WATCHDOG=1") >= 3
    time.sleep(6 * PING_S)  # noqa: ASYNC251 - the fault of this test
    assert supervisor.received() == []
    await asyncio.sleep(2 * PING_S)
    assert "WATCHDOG=1" in supervisor.received()


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": "/none/notify"}, {"NOTIFY_SOCKET": "/" + "x" * 200}]
)
async def test_a_missing_socket_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, environment: dict[str, str]
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    systemd.ready("alone")
    systemd.stopping()
    assert ("cannot send STOPPING=1 to systemd" in caplog.text) == bool(environment)


@pytest.mark.parametrize(
    ("microseconds", "pings"), [("", 0), ("soon", 0), ("0", 0), ("1000000", 1)]
)
async def test_pings_are_sent_only_if_there_is_a_watchdog(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, microseconds: str, pings: int
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    systemd.ready("")
    await asyncio.sleep(0.05)
    assert supervisor.received().count("WATCHDOG=1") == pings

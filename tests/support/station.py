"""Runs the real product for a test: `shoal up` on free ports. Leaves no process behind."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import imageio_ffmpeg
import m3u8
from prometheus_client.parser import text_string_to_metric_families

SHOAL = [sys.executable, "-m", "shoal.cli"]
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ANY_PORTS = ("--port", "0", "--rtmp-port", "0")
MARK = "SHOAL_TEST_MARK"
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20
EXIT_TIMEOUT_S = 3
LISTENING_PORTS = range(20_000, 32_000)

T = TypeVar("T")


def free_port() -> int:
    """Return a TCP port that is free on loopback now.

    It is outside the range for outgoing connections, so it stays free until a server listens.
    """
    while True:
        port = LISTENING_PORTS[secrets.randbelow(len(LISTENING_PORTS))]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(what: str, probe: Callable[[], T | None], timeout_s: float = 30) -> T:
    """Poll `probe` until its result is true, and return that; AssertionError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := probe():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.05)


def fetch(url: str, headers: dict[str, str] | None = None) -> bytes:
    """GET a URL and return the body."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as response:
        return response.read()


@dataclass
class Station:
    """A running local station."""

    process: subprocess.Popen[bytes]
    data: Path
    local: dict[str, Any] = field(default_factory=dict[str, Any])

    def refresh(self) -> None:
        """Read local.json again: pids change when a service restarts."""
        self.local = json.loads((self.data / "local.json").read_text())

    def health(self) -> dict[str, Any]:
        """The broadcaster's /health, whatever its status code."""
        try:
            return json.loads(fetch(f"{self.local['broadcaster']}/health"))
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def playlist(self) -> m3u8.M3U8:
        """The published playlist, as a viewer gets it through the gateway."""
        return m3u8.loads(fetch(self.local["playlist"]).decode())

    def descriptors(self, variant: int = 0) -> list[dict[str, Any]]:
        """The published descriptors of one variant."""
        body = json.loads(fetch(f"{self.local['gateway']}/live/segments.json"))
        return body["variants"].get(str(variant), {}).get("segments", [])

    def published(self) -> int:
        """How many segments have been published since the station started."""
        return self.health()["chunks"]

    def wait_published(self, count: int, timeout_s: float = 40) -> None:
        """Wait until `count` segments have been published."""
        wait_for(f"{count} segments published", lambda: self.published() >= count, timeout_s)

    def report(self) -> dict[str, Any]:
        """The output of `shoal report --json`."""
        done = subprocess.run(
            [*SHOAL, "report", "--data", str(self.data), "--json"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def origin_video_bytes(self) -> float:
        """Video bytes sent by the host's services and the gateway, according to their counters."""
        total = 0.0
        urls = [self.local[name] for name in ("metrics", "broadcaster", "signaling")]
        for url in urls:
            text = fetch(url if url.endswith("/metrics") else f"{url}/metrics").decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name == "shoal_http_response_bytes_total":
                        total += sample.value if sample.labels["kind"] == "video" else 0
        return total

    def log(self, name: str) -> str:
        """A service's log."""
        return (self.data / "logs" / f"{name}.log").read_text()


def marked_environment() -> dict[str, str]:
    """Return an environment that marks a process and all its descendants."""
    return {**os.environ, MARK: uuid.uuid4().hex}


def marked_processes(environment: dict[str, str]) -> list[int]:
    """Return the pids of running processes with that environment, whatever their parent."""
    mark = f"{MARK}={environment[MARK]}".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return [pid for pid in found if is_running(pid)]


def assert_none_running(environment: dict[str, str]) -> None:
    """Assert that no marked process runs, after a moment for the kernel; kill any that does."""
    try:
        wait_for("no marked process", lambda: not marked_processes(environment), EXIT_TIMEOUT_S)
    except AssertionError:
        left = marked_processes(environment)
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"left running: {commands}") from None


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@contextmanager
def station(data: Path, *options: str) -> Iterator[Station]:
    """Run `shoal up` on free ports; in the end Ctrl-C must stop it and all its processes."""
    environment = marked_environment()
    output = data.with_name(f"{data.name}-up.log")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*SHOAL, "up", *ANY_PORTS, "--data", str(data), *options],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    running = Station(process, data)
    try:
        local = data / "local.json"
        wait_for(
            "the station is up",
            lambda: local.exists() or process.poll() is not None,
            START_TIMEOUT_S,
        )
        if process.poll() is not None:
            raise AssertionError(f"shoal up ended: {output.read_text()}")
        running.refresh()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert_none_running(environment)
    assert process.returncode == 0
    assert not (data / "local.json").exists()


@contextmanager
def rtmp_push(url: str, *, seconds: int = 600, speed: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Push a small moving picture with a tone to an RTMP URL, as OBS would.

    `speed` multiplies the rate; the stream's duration is `seconds` in any case.
    """
    pace = ["-readrate", str(speed)]
    source = [*pace, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15"]
    tone = [*pace, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "15"]
    audio = ["-c:a", "aac", "-b:a", "64k"]
    output = ["-b:v", "400k", "-t", str(seconds), "-f", "flv", url]
    process = subprocess.Popen(
        [FFMPEG, "-v", "error", "-nostdin", *source, *tone, *video, *audio, *output],
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()

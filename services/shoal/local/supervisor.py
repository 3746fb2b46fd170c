"""Keeps the stack's processes running: starts, logs, restarts and stops them."""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shoal.errors import OperatorError
from shoal.local import process

RESTART_AFTER_S = 2.0
START_ATTEMPTS = 3
MIN_UPTIME_S = 10.0  # a process that ran this long had started successfully
STOP_GRACE_S = 5.0
LOG_MAX_BYTES = 5 * 1024 * 1024
READ_BYTES = 64 * 1024
CANNOT_RUN_STATUS = 127  # the status that a shell returns


@dataclass(frozen=True)
class Program:
    """A process of the stack. It may take `stop_grace_s` to exit after SIGTERM."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    stop_grace_s: float = STOP_GRACE_S


class BoundedLog:
    """`<name>.log`, and `<name>.log.1` with the output before it; each at most 5 MiB."""

    def __init__(self, path: Path, max_bytes: int = LOG_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._size = 0
        self.last_lines: deque[str] = deque(maxlen=20)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._rotate()
        self._file = path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append output."""
        if self._size + len(data) > self._max_bytes:
            self._file.close()
            self._rotate()
            self._file = self._path.open("wb", buffering=0)
            self._size = 0
        with contextlib.suppress(OSError):  # a full disk must not stop the station
            self._file.write(data)
        self._size += len(data)
        lines = data.decode(errors="replace").splitlines()
        self.last_lines.extend(line.strip() for line in lines if line.strip())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._path.replace(self._path.with_name(self._path.name + ".1"))


@dataclass
class _Child:
    program: Program
    log: BoundedLog
    process: asyncio.subprocess.Process | None = None
    task: "asyncio.Task[None] | None" = None
    failures: int = 0
    failed: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Supervisor:
    """Runs programs until stopped.

    `print_line` shows a message to the operator; `on_change` is called after each (re)start.
    """

    def __init__(
        self, logs: Path, print_line: Callable[[str], None], on_change: Callable[[], None]
    ) -> None:
        self._logs = logs
        self._print_line = print_line
        self._on_change = on_change
        self._children: dict[str, _Child] = {}
        self.started = False
        """set this once everything is healthy: from then on a crash is not fatal"""

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the running programs, by name."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None and child.process.returncode is None
        }

    def last_output(self, name: str) -> str:
        """Return the end of a program's log: the last two lines above INFO, or the last line."""
        lines = self._children[name].log.last_lines
        important = [line for line in lines if " INFO " not in line]
        return " / ".join(important[-2:] or list(lines)[-1:]) or "nothing"

    def start(self, program: Program) -> None:
        """Start a program and keep it running."""
        child = _Child(program, BoundedLog(self._logs / f"{program.name}.log"))
        self._children[program.name] = child
        child.task = asyncio.create_task(self._keep_running(child), name=program.name)

    async def wait_for_failure(self) -> None:
        """Wait until a program fails to start; raise its OperatorError."""
        waiting = {child.failed for child in self._children.values()}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()

    async def stop(self) -> None:
        """Stop all programs at the same time."""
        for child in self._children.values():
            if child.task is not None:
                child.task.cancel()
        tasks = [child.task for child in self._children.values() if child.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        for child in self._children.values():
            child.failed.cancel()
            child.log.close()

    def kill(self) -> None:
        """Kill all programs now."""
        for child in self._children.values():
            if child.process is not None:
                process.signal_process(child.process, signal.SIGKILL)

    async def _keep_running(self, child: _Child) -> None:
        while True:
            started_at = time.monotonic()
            status = await self._run_once(child)
            name, log = child.program.name, self._logs / f"{child.program.name}.log"
            child.failures = (
                1 if time.monotonic() - started_at > MIN_UPTIME_S else child.failures + 1
            )
            if not self.started and child.failures >= START_ATTEMPTS:
                last = child.log.last_lines[-1] if child.log.last_lines else _exit_reason(status)
                child.failed.set_exception(
                    OperatorError(f"{name} does not start: {last} (see {log})")
                )
                return
            self._print_line(
                f"{name} ended ({_exit_reason(status)}), restarting in {RESTART_AFTER_S:.0f} s;"
                f" see {log}"
            )
            await asyncio.sleep(RESTART_AFTER_S)
            self._print_line(f"{name} restarted")

    async def _run_once(self, child: _Child) -> int:
        try:
            running = await process.spawn(
                child.program.command,
                env=child.program.env,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            child.log.write(f"cannot run {child.program.command[0]}: {error.strerror}\n".encode())
            return CANNOT_RUN_STATUS
        child.process = running
        self._on_change()
        pump = asyncio.create_task(_pump(running, child.log))
        try:
            return await running.wait()
        finally:
            await process.stop(running, child.program.stop_grace_s)
            with contextlib.suppress(TimeoutError):  # a grandchild may keep the pipe open
                await asyncio.wait_for(pump, 0.5)


async def _pump(running: asyncio.subprocess.Process, log: BoundedLog) -> None:
    assert running.stdout is not None  # spawned with a pipe
    while data := await running.stdout.read(READ_BYTES):
        log.write(data)


def _exit_reason(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"status {status}"

"""Starts child processes that cannot outlive this one, and stops them."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # linux, include/uapi/linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return a function for a child to call before exec: it dies when `parent` does."""
    if _libc is None:
        return None
    prctl = _libc.prctl

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return before_exec


async def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
) -> asyncio.subprocess.Process:
    """Start `command` in its own session, so that Ctrl-C in the terminal does not reach it.

    On Linux it dies with this process, however this process ends.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=_die_with(os.getpid()),
    )


def signal_process(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to a child that is still running."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


async def stop(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """Stop a child: SIGTERM, then SIGKILL if it is still running after `grace_s`."""
    signal_process(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), grace_s)
    except TimeoutError:
        signal_process(process, signal.SIGKILL)
        await process.wait()

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from shoal.errors import OperatorError
from shoal.local import supervisor
from shoal.local.supervisor import BoundedLog, Program, Supervisor
from tests.support.station import wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_AFTER_S", 0.05)


def program(name: str, *command: str) -> Program:
    return Program(name, command, dict(os.environ))


async def test_a_killed_program_is_restarted_and_reported(tmp_path: Path) -> None:
    printed: list[str] = []
    changed = asyncio.Event()
    running = Supervisor(tmp_path, printed.append, changed.set)
    running.start(program("sleeper", *SLEEP))
    await asyncio.wait_for(changed.wait(), 10)
    first = running.pids["sleeper"]
    changed.clear()
    os.kill(first, signal.SIGKILL)
    await asyncio.wait_for(changed.wait(), 10)
    assert running.pids["sleeper"] != first
    assert any("sleeper ended (killed by SIGKILL), restarting" in line for line in printed)
    await running.stop()
    assert running.pids == {}


async def test_a_program_that_cannot_start_fails_with_its_last_output(tmp_path: Path) -> None:
    running = Supervisor(tmp_path, lambda _text: None, lambda: None)
    code = "import sys; print('starting'); sys.exit('no such bucket')"
    running.start(program("broken", sys.executable, "-c", code))
    with pytest.raises(OperatorError, match="broken does not start: no such bucket"):
        await asyncio.wait_for(running.wait_for_failure(), 20)
    await running.stop()


async def test_a_missing_program_fails_like_one_that_exits(tmp_path: Path) -> None:
    missing = str(tmp_path / "no such program")
    running = Supervisor(tmp_path, lambda _text: None, lambda: None)
    running.start(program("missing", missing))
    message = f"missing does not start: cannot run {missing}: No such file"
    with pytest.raises(OperatorError, match=message):
        await asyncio.wait_for(running.wait_for_failure(), 20)
    await running.stop()


async def test_a_program_that_is_missing_later_is_retried(tmp_path: Path) -> None:
    printed: asyncio.Queue[str] = asyncio.Queue()
    sleeper = tmp_path / "sleeper"
    sleeper.symlink_to(sys.executable)
    changed = asyncio.Event()
    running = Supervisor(tmp_path, printed.put_nowait, changed.set)
    running.start(program("sleeper", str(sleeper), *SLEEP[1:]))
    await asyncio.wait_for(changed.wait(), 10)
    running.started = True
    sleeper.unlink()
    os.kill(running.pids["sleeper"], signal.SIGKILL)
    async with asyncio.timeout(10):
        while "sleeper ended (status 127)" not in await printed.get():
            pass
        changed.clear()
        sleeper.symlink_to(sys.executable)
        await changed.wait()
    assert running.pids["sleeper"]
    await running.stop()


async def test_last_output_leaves_out_info_lines(tmp_path: Path) -> None:
    running = Supervisor(tmp_path, lambda _text: None, lambda: None)
    code = "import time; print('t INFO starts\\nno such codec\\nt INFO ended'); time.sleep(60)"
    running.start(program("talker", sys.executable, "-u", "-c", code))
    assert running.last_output("talker") == "nothing"
    log = tmp_path / "talker.log"
    await asyncio.to_thread(
        wait_for, "it spoke", lambda: log.exists() and "ended" in log.read_text()
    )
    assert running.last_output("talker") == "no such codec"
    await running.stop()


async def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    running = Supervisor(tmp_path, lambda _text: None, lambda: None)
    running.start(Program("deaf", [sys.executable, "-c", deaf], dict(os.environ), 0.2))
    log = tmp_path / "deaf.log"
    await asyncio.to_thread(wait_for, "it speaks", lambda: log.exists() and log.read_text())
    await asyncio.wait_for(running.stop(), 5)
    assert running.pids == {}


def test_a_log_is_bounded_and_keeps_the_previous_run(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("before")
    log = BoundedLog(path, max_bytes=100)
    assert (tmp_path / "x.log.1").read_text() == "before"
    for n in range(30):
        log.write(f"line {n:02}\n".encode())
    log.close()
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert max(sizes) <= 100
    assert len(sizes) == 2
    assert path.read_text().endswith("line 29\n")
    assert log.last_lines[-1] == "line 29"

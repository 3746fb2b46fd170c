"""The real signaling service as a process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.broadcaster import get
from tests.support.station import SHOAL, free_port, wait_for

BROADCASTER_TOKEN = "token"
JOIN_SECRET = "join secret"


@dataclass
class SignalingProcess:
    """One running process."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def signaling_process(folder: Path, **settings: str) -> Iterator[SignalingProcess]:
    """Run signaling with `SHOAL_*` settings, its secrets and its log in `folder`."""
    secrets = folder / "signaling-secrets"
    secrets.mkdir(parents=True)
    (secrets / "broadcaster_token").write_text(BROADCASTER_TOKEN)
    (secrets / "join_secret").write_text(JOIN_SECRET)
    url = settings.get("SHOAL_SIGNALING_URL") or f"http://127.0.0.1:{free_port()}"
    environment = {"SHOAL_SIGNALING_URL": url, "CREDENTIALS_DIRECTORY": str(secrets), **settings}
    with (folder / "signaling.log").open("ab") as log:
        process = subprocess.Popen(
            [*SHOAL, "signaling"], stdout=log, stderr=log, env={**os.environ, **environment}
        )
    try:
        wait_for("signaling answers", lambda: answers(url))
        yield SignalingProcess(url, process)
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def signaling(folder: Path) -> Iterator[str]:
    """Run signaling; yields its URL."""
    with signaling_process(folder) as running:
        yield running.url


def answers(url: str) -> bool:
    """Return whether the service answers."""
    try:
        return get(f"{url}/health").status == 200
    except OSError:
        return False

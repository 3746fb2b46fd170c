"""The real signaling service as a process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.broadcaster import get
from tests.support.station import SHOAL, free_port, wait_for


@contextmanager
def signaling(folder: Path) -> Iterator[str]:
    """Run signaling, its log in `folder`; yields its URL."""
    secrets = folder / "signaling-secrets"
    secrets.mkdir(parents=True)
    (secrets / "broadcaster_token").write_text("token")
    (secrets / "join_secret").write_text("join secret")
    url = f"http://127.0.0.1:{free_port()}"
    environment = {"SHOAL_SIGNALING_URL": url, "CREDENTIALS_DIRECTORY": str(secrets)}
    log = (folder / "signaling.log").open("ab")
    process = subprocess.Popen(
        [*SHOAL, "signaling"], stdout=log, stderr=log, env={**os.environ, **environment}
    )
    log.close()
    try:
        wait_for("signaling answers", lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(15)


def answers(url: str) -> bool:
    """Say whether a service answers."""
    try:
        return get(f"{url}/health").status == 200
    except OSError:
        return False

"""The data folder of `shoal up` (`--data`)."""

import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from shoal.errors import OperatorError

SECRETS = (
    *("r2_access_key_id", "r2_secret_access_key"),
    *("broadcaster_token", "operator_token", "join_secret"),
)
MIN_FREE_BYTES = 1_000_000_000
MARKER = "shoal-up"  # a file that marks a folder made by `shoal up`


class DataDir:
    """A data folder that this process locks, from `open` until `close` or its end."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.owncast = self.root / "owncast"
        self.store = self.root / "store"
        self.broadcaster = self.root / "broadcaster"
        self.secrets = self.root / "secrets"
        self.logs = self.root / "logs"
        self.local_json = self.root / "local.json"
        self._ports = self.root / "ports.json"
        self._marker = self.root / MARKER
        self._lock: int | None = None

    def open(self, *, reset: bool) -> None:
        """Lock the folder and create its content; with `reset`, delete the old content first.

        Raises OperatorError if the folder cannot be written, is in use, or must not be deleted,
        or if the disk is nearly full.
        """
        try:
            may_reset = (
                self._marker.exists() or not self.root.exists() or not any(self.root.iterdir())
            )
            if reset and not may_reset:
                raise OperatorError(
                    f"--reset: {self.root} was not made by `shoal up`, so it is left alone: "
                    "choose another folder with --data, or empty it yourself"
                )
            self.root.mkdir(parents=True, exist_ok=True)
            self._lock_folder()
            if reset:
                self._wipe()
            for folder in (self.owncast, self.store, self.broadcaster, self.logs):
                folder.mkdir(exist_ok=True)
            self.local_json.unlink(missing_ok=True)  # left by a run that was killed
            self._make_secrets()
        except OSError as error:
            raise OperatorError(
                f"cannot write {error.filename or self.root}: {error.strerror}; "
                "choose another folder with --data"
            ) from error
        free = shutil.disk_usage(self.root).free
        if free < MIN_FREE_BYTES:
            raise OperatorError(
                f"{self.root}: its disk has only {free / 1e6:.0f} MB free, and the station needs "
                f"{MIN_FREE_BYTES / 1e9:.0f} GB: free up space or choose another folder with --data"
            )

    def close(self) -> None:
        """Unlock the folder."""
        self.local_json.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str) -> str:
        """Return the value of one of SECRETS."""
        return (self.secrets / name).read_text()

    def remembered_ports(self) -> dict[str, int]:
        """Return the ports of the last run by name; empty if there was none."""
        try:
            return {str(name): int(port) for name, port in json.loads(_text(self._ports)).items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Save the ports for the next run."""
        write_json(self._ports, ports)

    def _lock_folder(self) -> None:
        # the kernel releases the lock when this process ends, however it ends
        lock = os.open(self._marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 32).decode().strip()
            os.close(lock)
            raise OperatorError(
                f"{self.root} is in use by another `shoal up` (pid {pid}): "
                "stop it, or choose another folder with --data"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def _wipe(self) -> None:
        for entry in self.root.iterdir():
            if entry == self._marker:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _make_secrets(self) -> None:
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        for name in SECRETS:
            path = self.secrets / name
            if not path.exists() or not _text(path):
                path.touch(mode=0o600)
                path.write_text(secrets.token_hex(20))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    temporary.replace(path)


def _text(path: Path) -> str:
    return path.read_text()

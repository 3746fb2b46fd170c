"""Remembers over restarts what somebody may have been told, so that its end is told, too."""

import logging
from pathlib import Path

import msgspec

from shoal.alarms.alert_state import Heard

log = logging.getLogger("shoal.alarms")


class Memory:
    """A small file. What cannot be read or written is said in the log, and stops nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: bytes | None = None

    def read(self) -> list[Heard]:
        """Return what was written last; nothing before the first time."""
        try:
            self._written = self._path.read_bytes()
            return msgspec.json.decode(self._written, type=list[Heard])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.warning("alarms of the last run are forgotten: %s: %s", self._path, error)
            return []

    def write(self, heard: list[Heard]) -> None:
        """Write it, if it has changed."""
        body = msgspec.json.encode(heard)
        if body == self._written:
            return
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        try:
            temporary.write_bytes(body)
            temporary.replace(self._path)
            self._written = body
        except OSError as error:
            log.warning("alarms cannot be remembered: %s: %s", self._path, error.strerror)

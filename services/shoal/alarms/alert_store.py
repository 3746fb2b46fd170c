"""Keeps over restarts which alerts may have been sent, so that the operator learns of their end."""

import logging
from pathlib import Path

import msgspec

from shoal.alarms.alert_state import SentAlert

log = logging.getLogger("shoal.alarms")


class AlertStore:
    """A small file. Faults in reading or writing it are logged, and stop nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: bytes | None = None

    def load(self) -> list[SentAlert]:
        """Return what was saved last; nothing before the first time."""
        try:
            self._written = self._path.read_bytes()
            return msgspec.json.decode(self._written, type=list[SentAlert])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.warning(
                "cannot read %s: %s; problems of the last run that are over get no alert",
                self._path,
                error,
            )
            return []

    def save(self, sent: list[SentAlert]) -> None:
        """Write the alerts, if they have changed."""
        body = msgspec.json.encode(sent)
        if body == self._written:
            return
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        try:
            temporary.write_bytes(body)
            temporary.replace(self._path)
            self._written = body
        except OSError as error:
            log.warning(
                "cannot write %s: %s; after a restart, problems that are over get no alert",
                self._path,
                error.strerror,
            )

"""Keeps the timeline on disk, so that a restart goes on where it stopped."""

import os
from pathlib import Path

import msgspec

from shoal.broadcaster.timeline import Timeline
from shoal.errors import OperatorError

FILE_NAME = "timeline.json"


class StateFile:
    """`timeline.json` in the state folder, replaced atomically."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def load(self) -> Timeline | None:
        """Read the timeline; None where there is none yet.

        Raises OperatorError when the folder cannot be used or the file is damaged: to begin anew
        would take media sequence numbers back under the viewers.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return msgspec.json.decode(self._path.read_bytes(), type=Timeline)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OperatorError(
                f"cannot use the state folder {self._path.parent}: {error.strerror};"
                " it must belong to the broadcaster's user"
            ) from error
        except msgspec.DecodeError as error:
            raise OperatorError(
                f"{self._path} is damaged ({error}): restore it from a backup"
            ) from error

    def save(self, timeline: Timeline) -> None:
        """Write the timeline so that a crash leaves the old one or the new one; raises OSError."""
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(timeline))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

"""Segments on our own disk: Owncast deletes its files after half a minute, the store may be away.

A segment lies here from the moment it is complete until it has left the window, so that uploads can
be made up for, a crash loses nothing, and the seeder has its files.
"""

import logging
from pathlib import Path

import msgspec

from shoal.broadcaster.owncast_playlist import SegmentName

log = logging.getLogger("shoal.broadcaster")


class Spooled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a spooled segment before it is published."""

    variant: int
    stream: str
    k: int
    name: str
    duration: float
    """seconds"""
    program_date_time: str
    """ISO 8601; empty when Owncast gave none"""
    written_at: float
    """when Owncast finished the file, Unix time, seconds"""
    map_name: str | None = None
    """name of the initialization section's own spool file (fMP4 only)"""

    @property
    def segment(self) -> SegmentName:
        """Stream and number."""
        return SegmentName(self.stream, self.k)


class Spool:
    """`<folder>/<variant>/<name>`, with `<name>.json` beside it once the bytes are whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, variant: int, name: str) -> Path:
        """Where a file's bytes are."""
        return self.folder / str(variant) / name

    def write(self, segment: Spooled, data: bytes, map_data: bytes | None = None) -> None:
        """Keep a segment; raises OSError when the disk does not take it."""
        path = self.path(segment.variant, segment.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if segment.map_name and map_data is not None:
            path.with_name(segment.map_name).write_bytes(map_data)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(msgspec.json.encode(segment))
        temporary.replace(_note(path))

    def remove(self, variant: int, name: str) -> None:
        """Forget a segment, if it is there."""
        path = self.path(variant, name)
        _note(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def load(self) -> list[Spooled]:
        """Return what an earlier run left, in the order of writing; half-written files go."""
        found: list[Spooled] = []
        maps: set[Path] = set()
        for note in self.folder.glob("*/*.json"):
            try:
                segment = msgspec.json.decode(note.read_bytes(), type=Spooled)
            except msgspec.DecodeError:
                log.warning("%s is damaged and is dropped", note)
                continue
            path = self.path(segment.variant, segment.name)
            if _note(path) == note and path.exists():
                found.append(segment)
                if segment.map_name:
                    maps.add(self.path(segment.variant, segment.map_name))
        whole = {self.path(s.variant, s.name) for s in found}
        for path in self.folder.glob("*/*"):
            if path not in whole and path not in maps and path not in map(_note, whole):
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda s: (s.written_at, s.k, s.variant))


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")

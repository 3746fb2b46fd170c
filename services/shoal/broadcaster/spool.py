"""Segments on our own disk: Owncast deletes its files after half a minute, the store may be down.

A segment stays here from the moment it is complete until it has left the window, so that uploads
can be caught up on, a crash loses nothing, and the seeder has its files.
"""

import logging
from pathlib import Path

import msgspec

from shoal.broadcaster.owncast_playlist import SegmentName

log = logging.getLogger("shoal.broadcaster")


class SpooledSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment on our disk, as it is known before it is published."""

    variant: int
    stream: str
    index: int = msgspec.field(name="k")
    """segment index, from 0 in each stream"""
    name: str
    duration: float
    """seconds"""
    program_date_time: str
    """ISO 8601; empty when Owncast gave none"""
    written_at: float
    """when Owncast finished the file, Unix time, seconds"""
    init_name: str | None = msgspec.field(default=None, name="map_name")
    """name of the init section's own spool file (fMP4 only)"""

    @property
    def segment_name(self) -> SegmentName:
        """Stream and segment index."""
        return SegmentName(self.stream, self.index)


class Spool:
    """`<folder>/<variant>/<name>`, with `<name>.json` beside it once all bytes are written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, variant: int, name: str) -> Path:
        """Return the path of a file's bytes."""
        return self.folder / str(variant) / name

    def write(self, segment: SpooledSegment, data: bytes, init_data: bytes | None = None) -> None:
        """Write a segment to disk. Raises OSError."""
        path = self.path(segment.variant, segment.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if segment.init_name and init_data is not None:
            path.with_name(segment.init_name).write_bytes(init_data)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(msgspec.json.encode(segment))
        temporary.replace(_metadata_path(path))

    def remove(self, variant: int, name: str) -> None:
        """Delete a segment, if it is there."""
        path = self.path(variant, name)
        _metadata_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def load(self) -> list[SpooledSegment]:
        """Return what an earlier run left, in order of writing; delete half-written files."""
        segments: list[SpooledSegment] = []
        init_sections: set[Path] = set()
        for metadata in self.folder.glob("*/*.json"):
            try:
                segment = msgspec.json.decode(metadata.read_bytes(), type=SpooledSegment)
            except msgspec.DecodeError:
                log.warning("deleting the spooled segment %s: its metadata is damaged", metadata)
                continue
            path = self.path(segment.variant, segment.name)
            if _metadata_path(path) == metadata and path.exists():
                segments.append(segment)
                if segment.init_name:
                    init_sections.add(self.path(segment.variant, segment.init_name))
        complete = {self.path(s.variant, s.name) for s in segments}
        for path in self.folder.glob("*/*"):
            if (
                path not in complete
                and path not in init_sections
                and path not in map(_metadata_path, complete)
            ):
                path.unlink(missing_ok=True)
        return sorted(segments, key=lambda s: (s.written_at, s.index, s.variant))


def _metadata_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")

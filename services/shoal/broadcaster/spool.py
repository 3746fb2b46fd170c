"""Segments on our own disk: Owncast deletes its files after half a minute, the store may be down.

A segment stays here from the moment it is complete until it has left the window, so that uploads
can be caught up on, a crash loses nothing, and the seeder has its files.
"""

import asyncio
import logging
from pathlib import Path

import msgspec

from shoal.broadcaster.hls_watcher import is_whole
from shoal.broadcaster.owncast_playlist import SegmentName
from shoal.problems import Problems

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
    """`<folder>/<variant>/<name>`, with `<name>.json` beside it once all bytes are written.

    A disk that fails is a problem, never an exception: live video goes on without the spool.
    """

    def __init__(self, folder: Path, problems: Problems) -> None:
        self.folder = folder
        self._problems = problems
        self.damaged = 0
        """segments of an earlier run that `load` could not use"""

    def path(self, variant: int, name: str) -> Path:
        """Return the path of a file's bytes."""
        return self.folder / str(variant) / name

    async def write(
        self, segment: SpooledSegment, data: bytes, init_data: bytes | None = None
    ) -> bool:
        """Write a segment to disk; return False and report a problem if that fails."""
        try:
            await asyncio.to_thread(self._write, segment, data, init_data)
        except OSError as error:
            self._report(
                f"cannot write to {self.folder}: {error.strerror}; segments that the store does not"
                " accept at once are lost: free disk space or fix the folder's mode"
            )
            return False
        self._problems.clear("spool")
        return True

    async def read(self, variant: int, name: str) -> bytes | None:
        """Return a segment's bytes; None if they are gone or damaged."""
        data = await self._read(self.path(variant, name))
        return data if data is not None and is_whole(name, data) else None

    async def read_init_section(self, variant: int, name: str) -> bytes | None:
        """Return an init section's bytes; None if they are gone."""
        return await self._read(self.path(variant, name))

    async def _read(self, path: Path) -> bytes | None:
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._report(
                f"cannot read {path}: {error.strerror}; the segment is lost unless the store has"
                " it: check the disk"
            )
            return None

    def remove(self, variant: int, name: str) -> None:
        """Delete a segment, if it is there."""
        path = self.path(variant, name)
        self._delete(_metadata_path(path))
        self._delete(path)

    def _write(self, segment: SpooledSegment, data: bytes, init_data: bytes | None) -> None:
        path = self.path(segment.variant, segment.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if segment.init_name and init_data is not None:
            path.with_name(segment.init_name).write_bytes(init_data)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(msgspec.json.encode(segment))
        temporary.replace(_metadata_path(path))

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._report(f"cannot delete {path}: {error.strerror}: fix the folder's mode")

    def _report(self, message: str) -> None:
        self._problems.report("spool", message, "failing")

    def load(self) -> list[SpooledSegment]:
        """Return what an earlier run left, in order of writing; delete half-written files."""
        segments: list[SpooledSegment] = []
        init_sections: set[Path] = set()
        for metadata in self.folder.glob("*/*.json"):
            try:
                segment = msgspec.json.decode(metadata.read_bytes(), type=SpooledSegment)
            except (msgspec.DecodeError, OSError) as error:
                log.warning("deleting the spooled segment %s: %s", metadata, error)
                self.damaged += 1
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
                self._delete(path)
        return sorted(segments, key=lambda s: (s.written_at, s.index, s.variant))


def _metadata_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")

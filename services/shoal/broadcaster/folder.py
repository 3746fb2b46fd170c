"""Watches Owncast's HLS folder by polling.

Owncast writes files in place, empties the folder at every stream start and makes the renditions'
folders again with mode 0750; older versions remove the folder itself. A watch that sits on a folder
dies of that without a word, a poll does not. One poll costs a few stat calls.
"""

import os
import pwd
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from shoal.broadcaster.hls import (
    ListedSegment,
    MediaPlaylist,
    PlaylistError,
    Rendition,
    SegmentName,
    parse_master,
    parse_media_playlist,
    parse_segment_name,
)

PLAYLIST_NAME = "stream.m3u8"
TS_PACKET_BYTES = 188
TS_SYNC_BYTE = 0x47
MISSING_GRACE_S = 2.0
"""a listed file that is not there after this long will not come"""

Signature = tuple[int, int, int]
"""inode, size in bytes, mtime in ns: changes whenever a file is written"""


@dataclass(frozen=True)
class FoundSegment:
    """A complete segment, read from disk."""

    variant: int
    name: SegmentName
    path: Path
    signature: Signature
    data: bytes
    duration: float
    """seconds"""
    program_date_time: str


@dataclass
class _Variant:
    playlist: MediaPlaylist | None = None
    signature: Signature | None = None
    taken: set[str] = field(default_factory=set[str])
    """file names that need no further look"""
    growing: dict[str, Signature] = field(default_factory=dict[str, Signature])
    """what unfinished files looked like at the last poll"""
    missing_since: dict[str, float] = field(default_factory=dict[str, float])


class Folder:
    """Owncast's HLS folder as it stands, poll by poll."""

    def __init__(self, path: Path, wanted: Callable[[int, SegmentName], bool]) -> None:
        """Watch `path`; `wanted(variant, name)` says whether a listed segment is to be read.

        It is asked in the order in which segments are to be numbered: lowest k first.
        """
        self.path = path
        self.renditions: Mapping[int, Rendition] = {}
        """what the master playlist says, by variant"""
        self.fault: str | None = None
        """why the last poll could not read something, for the operator; None when it could"""
        self.lost = 0
        """listed segments that were gone before they could be read"""
        self._wanted = wanted
        self._variants: dict[int, _Variant] = {}
        self._master_signature: Signature | None = None

    @property
    def live(self) -> bool:
        """Whether a rendition lists live segments and its stream has not ended."""
        return any(
            variant.playlist is not None
            and not variant.playlist.ended
            and any(parse_segment_name(s.name) for s in variant.playlist.segments)
            for variant in self._variants.values()
        )

    def poll(self, now_s: float) -> list[FoundSegment]:
        """Return the segments that are complete since the last poll, lowest k first.

        `now_s` is a monotonic clock, in seconds.
        """
        self.fault = None
        found: list[FoundSegment] = []
        try:
            names = [child.name for child in self.path.iterdir()]
        except OSError as error:
            self._note_fault(self.path, error)
            return found
        self._read_master()
        present = {int(name) for name in names if name.isdecimal()}
        for gone in self._variants.keys() - present:
            del self._variants[gone]
        for number in present:
            self._read_playlist(number, self._variants.setdefault(number, _Variant()))
        for number, listed, name in sorted(self._listed(), key=lambda item: (item[2].k, item[0])):
            variant = self._variants[number]
            if not self._wanted(number, name):
                variant.taken.add(listed.name)
            elif segment := self._take(number, variant, listed, name, now_s):
                found.append(segment)
        return found

    def is_unchanged(self, segment: FoundSegment) -> bool:
        """Say whether a segment's file is still what was read, or gone."""
        try:
            return _signature(segment.path.stat()) == segment.signature
        except OSError:
            return True

    def read_again(self, segment: FoundSegment) -> FoundSegment | None:
        """Read a segment whose file has changed; None when it is gone. Raises nothing."""
        try:
            before = _signature(segment.path.stat())
            data = segment.path.read_bytes()
        except OSError:
            return None
        return replace(segment, signature=before, data=data)

    def _read_master(self) -> None:
        path = self.path / PLAYLIST_NAME
        try:
            signature = _signature(path.stat())
            if signature != self._master_signature:
                self.renditions = {r.variant: r for r in parse_master(path.read_text("utf-8"))}
                self._master_signature = signature
        except FileNotFoundError:
            return
        except (PlaylistError, UnicodeDecodeError):
            return  # cut: it is being written
        except OSError as error:
            self._note_fault(path, error)

    def _read_playlist(self, number: int, variant: _Variant) -> None:
        path = self.path / str(number) / PLAYLIST_NAME
        try:
            signature = _signature(path.stat())
            if signature == variant.signature:
                return
            playlist = parse_media_playlist(path.read_text("utf-8"))
        except FileNotFoundError:
            variant.playlist = variant.signature = None
            return
        except (PlaylistError, UnicodeDecodeError):
            return  # cut: it is being written, and read again at the next poll
        except OSError as error:
            self._note_fault(path, error)
            return
        variant.playlist, variant.signature = playlist, signature
        listed = {segment.name for segment in playlist.segments}
        variant.taken &= listed
        for state in (variant.growing, variant.missing_since):
            for name in state.keys() - listed:
                del state[name]

    def _listed(self) -> list[tuple[int, ListedSegment, SegmentName]]:
        """Every live segment that a playlist names and that is not taken yet."""
        return [
            (number, segment, name)
            for number, variant in self._variants.items()
            if variant.playlist is not None
            for segment in variant.playlist.segments
            if segment.name not in variant.taken
            and (name := parse_segment_name(segment.name)) is not None
        ]

    def _take(
        self, number: int, variant: _Variant, listed: ListedSegment, name: SegmentName, now_s: float
    ) -> FoundSegment | None:
        """Read a listed segment once it has stopped growing.

        A playlist may name a segment some milliseconds before its last byte is written.
        """
        path = self.path / str(number) / listed.name
        try:
            signature = _signature(path.stat())
            settled = variant.growing.get(listed.name) == signature
            variant.growing[listed.name] = signature
            if not settled:
                return None
            data = path.read_bytes()
            if _signature(path.stat()) != signature or not _is_transport_stream(data):
                return None
        except FileNotFoundError:
            since = variant.missing_since.setdefault(listed.name, now_s)
            if now_s - since > MISSING_GRACE_S:
                self.lost += 1
                variant.taken.add(listed.name)
            return None
        except OSError as error:
            self._note_fault(path, error)
            return None
        variant.taken.add(listed.name)
        return FoundSegment(
            variant=number,
            name=name,
            path=path,
            signature=signature,
            data=data,
            duration=listed.duration,
            program_date_time=listed.program_date_time or "",
        )

    def _note_fault(self, path: Path, error: OSError) -> None:
        if self.fault is None:
            self.fault = explain(path, error)


def _signature(status: os.stat_result) -> Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_transport_stream(data: bytes) -> bool:
    """Whole MPEG-TS packets (ISO/IEC 13818-1, section 2.4.3): a cut file is hardly ever that."""
    return bool(data) and len(data) % TS_PACKET_BYTES == 0 and data[0] == TS_SYNC_BYTE


def explain(path: Path, error: OSError) -> str:
    """Say what could not be read, with mode, owner and our user where it is a permission."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: is Owncast running, and is SHOAL_HLS_DIR its data/hls?"
    if not isinstance(error, PermissionError):
        return f"cannot read {path}: {error.strerror}"
    barrier = path
    while True:
        with suppress(OSError):
            status = barrier.stat()
            break
        if barrier == barrier.parent:
            return f"cannot read {path}: {error.strerror}"
        barrier = barrier.parent
    return (
        f"permission denied: {path}; {barrier} has mode {stat.S_IMODE(status.st_mode):04o} and"
        f" owner {_user(status.st_uid)} (uid {status.st_uid}, gid {status.st_gid}), we are"
        f" {_user(os.geteuid())} (uid {os.geteuid()}, groups {sorted(os.getgroups())}):"
        " give us read access that outlives a stream start (setgid folder or default ACL)"
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "unknown"

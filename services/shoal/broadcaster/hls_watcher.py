"""Watches Owncast's HLS folder by polling.

Owncast writes files in place, empties the folder at every stream start and recreates the variants'
folders with mode 0750; older versions remove the folder itself. A file system watch on a folder
dies silently when that happens; polling does not. One scan costs a few stat calls, no matter how
much else is in the folder.
"""

import os
import pwd
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shoal.broadcaster.owncast_playlist import (
    ListedSegment,
    MediaPlaylist,
    OwncastVariant,
    PlaylistError,
    SegmentName,
    parse_media_playlist,
    parse_multivariant_playlist,
    parse_segment_name,
)

PLAYLIST_NAME = "stream.m3u8"
MAX_DONE = 256
"""more names than any of Owncast's playlists has"""
MISSING_GRACE_S = 2.0
"""a listed file that is still missing after this long will not appear"""

TS_PACKET_BYTES = 188
TS_SYNC_BYTE = 0x47
BOX_HEADER_BYTES = 8

SegmentKey = tuple[int, SegmentName]
"""variant and name"""
Signature = tuple[int, int, int]
"""inode, size in bytes, mtime in ns: changes whenever a file is written"""


@dataclass(frozen=True)
class SourceSegment:
    """A complete segment of Owncast's, read from disk."""

    variant: int
    name: SegmentName
    path: Path
    signature: Signature
    data: bytes
    duration: float
    """seconds"""
    program_date_time: str
    init_data: bytes | None = None
    """its init section (fMP4 only)"""


@dataclass
class _PendingSegment:
    """A live segment that the playlist names and that is not done yet."""

    listed: ListedSegment
    name: SegmentName
    was_due: bool = False


@dataclass
class _VariantFolder:
    number: int
    path: str
    playlist: MediaPlaylist | None = None
    signature: Signature | None = None
    pending: dict[str, _PendingSegment] = field(default_factory=dict[str, _PendingSegment])
    """by file name"""
    done: dict[str, None] = field(default_factory=dict[str, None])
    """file names that need not be looked at again, oldest first"""
    last_signatures: dict[str, Signature] = field(default_factory=dict[str, Signature])
    """signatures of unfinished files when they were last looked at"""
    missing_since: dict[str, float] = field(default_factory=dict[str, float])

    def update(self, playlist: MediaPlaylist, signature: Signature) -> list[SegmentKey]:
        """Adopt a new playlist; return what it lists for the first time."""
        before = self.pending
        self.playlist, self.signature = playlist, signature
        listed = {segment.name for segment in playlist.segments}
        # a playlist that is cut off between two lines looks complete: what is done stays done
        self.done = dict.fromkeys([*self.done][-MAX_DONE:])
        for state in (self.last_signatures, self.missing_since):
            for name in state.keys() - listed:
                del state[name]
        self.pending = {
            segment.name: before.get(segment.name) or _PendingSegment(segment, name)
            for segment in playlist.segments
            if segment.name not in self.done and (name := parse_segment_name(segment.name))
        }
        return [(self.number, self.pending[name].name) for name in self.pending.keys() - before]

    def missed(self, before: Collection[_PendingSegment]) -> int:
        """Return how many of an earlier playlist's segments the present one has moved past."""
        listed = self.playlist.segments if self.playlist else ()
        live = [name for s in listed if (name := parse_segment_name(s.name)) is not None]
        return sum(pending.name.precedes(live) for pending in before)

    def mark_done(self, file_name: str) -> None:
        """Stop looking at a segment."""
        self.done[file_name] = None
        del self.pending[file_name]


class HlsWatcher:
    """Owncast's HLS folder as of the last scan."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variants: Mapping[int, OwncastVariant] = {}
        """Owncast's multivariant playlist, by variant"""
        self.fault: str | None = None
        """why the last scan could not read something, for the operator; None when it could"""
        self.lost = 0
        """listed segments that were gone before they could be read"""
        self.last_rejection: str | None = None
        """why the last segment looked at was rejected, None when it was accepted"""
        self._folders: dict[int, _VariantFolder] = {}
        self._multivariant_signature: Signature | None = None

    @property
    def live(self) -> bool:
        """Whether a variant lists live segments and its stream has not ended."""
        return any(
            folder.playlist is not None
            and not folder.playlist.ended
            and any(parse_segment_name(s.name) for s in folder.playlist.segments)
            for folder in self._folders.values()
        )

    @property
    def pending(self) -> list[SegmentKey]:
        """What is listed and has neither been read nor given up, lowest index first."""
        keys = {
            (number, pending.name)
            for number, folder in self._folders.items()
            for pending in folder.pending.values()
        }
        return sorted(keys, key=_by_index)

    def scan(self) -> list[SegmentKey]:
        """Return the segments that are listed for the first time, lowest index first."""
        self.fault = None
        try:
            # runs a hundred times a second: os.listdir takes a tenth of Path.iterdir's time
            names = os.listdir(self.path)  # noqa: PTH208
        except OSError as error:
            self._note_fault(self.path, error)
            return []
        self._read_multivariant_playlist()
        present = {int(name) for name in names if name.isdecimal()}
        for gone in self._folders.keys() - present:
            self.lost += len(self._folders.pop(gone).pending)
        listed: list[SegmentKey] = []
        for number in present:
            if number not in self._folders:
                self._folders[number] = _VariantFolder(number, f"{self.path}/{number}")
            listed += self._read_playlist(self._folders[number])
        return sorted(listed, key=_by_index)

    def read(self, due: Collection[SegmentKey], now_s: float) -> list[SourceSegment]:
        """Return those of the pending segments that are complete by now, lowest index first.

        Segments that are not `due` are not looked at again; those that were due before are lost,
        because others have been published in their place. `now_s` is a monotonic clock, in seconds.
        """
        segments: list[SourceSegment] = []
        for number, name in self.pending:
            folder = self._folders[number]
            for pending in [p for p in folder.pending.values() if p.name == name]:
                if (number, name) not in due:
                    self.lost += pending.was_due
                    folder.mark_done(pending.listed.name)
                    continue
                pending.was_due = True
                if segment := self._read_segment(folder, pending, now_s):
                    segments.append(segment)
        return segments

    def _read_multivariant_playlist(self) -> None:
        path = f"{self.path}/{PLAYLIST_NAME}"
        try:
            signature = _signature(path)
            if signature != self._multivariant_signature:
                variants = parse_multivariant_playlist(_read_text(path))
                self.variants = {v.variant: v for v in variants}
                self._multivariant_signature = signature
        except FileNotFoundError:
            return
        except (PlaylistError, UnicodeDecodeError):
            return  # cut off: it is being written
        except OSError as error:
            self._note_fault(Path(path), error)

    def _read_playlist(self, folder: _VariantFolder) -> list[SegmentKey]:
        """Read a variant's playlist if it changed; return what it lists for the first time."""
        path = f"{folder.path}/{PLAYLIST_NAME}"
        try:
            signature = _signature(path)
            if signature != folder.signature:
                playlist = parse_media_playlist(_read_text(path))
                before = [*folder.pending.values()]
                listed = folder.update(playlist, signature)
                self.lost += folder.missed(before)
                return listed
        except FileNotFoundError:
            self.lost += len(folder.pending)
            folder.playlist = folder.signature = None
            folder.pending = {}
        except PlaylistError as error:
            # most often cut off, because it is being written: the next scan reads it again
            self.last_rejection = f"{path}: {error}"
        except UnicodeDecodeError as error:
            self.last_rejection = f"{path}: {error}"
        except OSError as error:
            self._note_fault(Path(path), error)
        return []

    def _read_segment(
        self, folder: _VariantFolder, pending: _PendingSegment, now_s: float
    ) -> SourceSegment | None:
        """Read a listed segment once it has stopped growing.

        A playlist may name a segment some milliseconds before its last byte is written.
        """
        listed = pending.listed
        path = Path(folder.path, listed.name)
        try:
            signature = _signature(path)
            settled = folder.last_signatures.get(listed.name) == signature
            folder.last_signatures[listed.name] = signature
            if not settled:
                return None
            data = path.read_bytes()
            if _signature(path) != signature:
                return None
            if not is_whole(listed.name, data):
                self.last_rejection = (
                    f"{path} is not a complete MPEG-TS or MP4 segment ({len(data)} bytes)"
                )
                return None
            init_data = path.with_name(listed.init_name).read_bytes() if listed.init_name else None
        except FileNotFoundError:
            since = folder.missing_since.setdefault(listed.name, now_s)
            if now_s - since > MISSING_GRACE_S:
                self.lost += 1
                folder.mark_done(listed.name)
            return None
        except OSError as error:
            self._note_fault(path, error)
            return None
        folder.mark_done(listed.name)
        self.last_rejection = None
        return SourceSegment(
            variant=folder.number,
            name=pending.name,
            path=path,
            signature=signature,
            data=data,
            duration=listed.duration,
            program_date_time=listed.program_date_time or "",
            init_data=init_data,
        )

    def _note_fault(self, path: Path, error: OSError) -> None:
        if self.fault is None:
            self.fault = explain_read_error(path, error)


def reread_if_changed(segment: SourceSegment) -> SourceSegment:
    """Return the segment as its file is now; the same object if the file is unchanged or gone."""
    try:
        while (signature := _signature(segment.path)) != segment.signature:
            segment = replace(segment, signature=signature, data=segment.path.read_bytes())
    except OSError:
        pass
    return segment


def _signature(path: str | Path) -> Signature:
    status = os.stat(path)  # noqa: PTH116 - takes half of Path.stat's time
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_text(path: str) -> str:
    return Path(path).read_text("utf-8")


def _by_index(key: SegmentKey) -> tuple[int, int]:
    variant, name = key
    return name.index, variant


def is_whole(name: str, data: bytes) -> bool:
    """Return whether `data` is whole MP4 boxes (`.m4s`) or whole MPEG-TS packets (other names)."""
    return _is_whole_boxes(data) if name.endswith(".m4s") else _is_whole_packets(data)


def _is_whole_packets(data: bytes) -> bool:
    """ISO/IEC 13818-1, section 2.4.3."""
    return bool(data) and len(data) % TS_PACKET_BYTES == 0 and data[0] == TS_SYNC_BYTE


def _is_whole_boxes(data: bytes) -> bool:
    """ISO/IEC 14496-12, section 4.2: sizes of 32 bits, or of 64 when the first one is 1."""
    offset = 0
    while offset + BOX_HEADER_BYTES <= len(data):
        size = int.from_bytes(data[offset : offset + 4])
        if size == 1:
            size = int.from_bytes(data[offset + 8 : offset + 16])
        if size < BOX_HEADER_BYTES:
            return False
        offset += size
    return bool(data) and offset == len(data)


def explain_read_error(path: Path, error: OSError) -> str:
    """Return a message for the operator; for a permission error with mode, owner and our user."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: is Owncast running, and is SHOAL_HLS_DIR its data/hls?"
    if not isinstance(error, PermissionError):
        return f"cannot read {path}: {error.strerror}"
    barrier, status = _deepest_visible(path)
    return (
        f"permission denied: {path}; {barrier} has mode {stat.S_IMODE(status.st_mode):04o} and"
        f" owner {_user_name(status.st_uid)} (uid {status.st_uid}, gid {status.st_gid}); we run as"
        f" {_user_name(os.geteuid())} (uid {os.geteuid()}, groups {sorted(os.getgroups())}):"
        " grant read access that survives a stream start (setgid folder or default ACL)"
    )


def _deepest_visible(path: Path) -> tuple[Path, os.stat_result]:
    """Return the file, or the folder above it that denies access, with its status."""
    for candidate in (path, *path.parents):
        try:
            return candidate, candidate.stat()
        except OSError:
            continue
    raise AssertionError("the root folder can always be seen")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "unknown"

"""Watches Owncast's HLS folder by polling.

Owncast writes files in place, empties the folder at every stream start and recreates the variants'
folders with mode 0750; older versions remove the folder itself. A file system watch on a folder
dies silently when that happens; polling does not. One scan costs a few stat calls, no matter how
much else is in the folder.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shoal.broadcaster.containers import is_whole
from shoal.broadcaster.fault import explain_read_error
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

IsDue = Callable[[int, SegmentName], bool]
"""whether the segment of a variant is still to be read"""
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
class _VariantFolder:
    path: str
    playlist: MediaPlaylist | None = None
    signature: Signature | None = None
    pending: list[tuple[ListedSegment, SegmentName]] = field(
        default_factory=list[tuple[ListedSegment, SegmentName]]
    )
    """live segments that the playlist names and that are not done yet"""
    done: dict[str, None] = field(default_factory=dict[str, None])
    """file names that need not be looked at again, oldest first"""
    last_signatures: dict[str, Signature] = field(default_factory=dict[str, Signature])
    """signatures of unfinished files at the last scan"""
    missing_since: dict[str, float] = field(default_factory=dict[str, float])

    def update(self, playlist: MediaPlaylist, signature: Signature) -> int:
        """Adopt a new playlist; return how many segments left the old one before they were read."""
        before = self.pending
        self.playlist, self.signature = playlist, signature
        listed = {segment.name for segment in playlist.segments}
        # a playlist that is cut off between two lines looks complete: what is done stays done
        self.done = dict.fromkeys([*self.done][-MAX_DONE:])
        for state in (self.last_signatures, self.missing_since):
            for name in state.keys() - listed:
                del state[name]
        self.pending = [
            (segment, name)
            for segment in playlist.segments
            if segment.name not in self.done and (name := parse_segment_name(segment.name))
        ]
        live = [name for name in map(parse_segment_name, listed) if name is not None]
        return sum(name.precedes(live) for _, name in before)

    def mark_done(self, listed: ListedSegment) -> None:
        """Stop looking at a segment."""
        self.done[listed.name] = None
        self.pending = [item for item in self.pending if item[0] is not listed]


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

    def scan(self, now_s: float, is_due: IsDue) -> list[SourceSegment]:
        """Return the segments that became complete since the last scan, lowest index first.

        `now_s` is a monotonic clock, in seconds. `is_due(variant, name)` is asked about listed
        segments in the order in which they are to be numbered.
        """
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
            del self._folders[gone]
        for number in present:
            if number not in self._folders:
                self._folders[number] = _VariantFolder(f"{self.path}/{number}")
            self.lost += self._read_playlist(self._folders[number])
        pending = [
            (name.index, number, listed, name)
            for number, folder in self._folders.items()
            for listed, name in folder.pending
        ]
        segments: list[SourceSegment] = []
        for _, number, listed, name in sorted(pending, key=lambda item: item[:2]):
            folder = self._folders[number]
            if not is_due(number, name):
                folder.mark_done(listed)
            elif segment := self._read_segment(number, folder, listed, name, now_s):
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

    def _read_playlist(self, folder: _VariantFolder) -> int:
        """Read a variant's playlist if it changed; return how many segments were missed."""
        path = f"{folder.path}/{PLAYLIST_NAME}"
        try:
            signature = _signature(path)
            if signature != folder.signature:
                return folder.update(parse_media_playlist(_read_text(path)), signature)
        except FileNotFoundError:
            missed = len(folder.pending)
            folder.playlist = folder.signature = None
            folder.pending = []
            return missed
        except PlaylistError as error:
            # most often cut off, because it is being written: the next scan reads it again
            self.last_rejection = f"{path}: {error}"
        except UnicodeDecodeError as error:
            self.last_rejection = f"{path}: {error}"
        except OSError as error:
            self._note_fault(Path(path), error)
        return 0

    def _read_segment(
        self,
        number: int,
        folder: _VariantFolder,
        listed: ListedSegment,
        name: SegmentName,
        now_s: float,
    ) -> SourceSegment | None:
        """Read a listed segment once it has stopped growing.

        A playlist may name a segment some milliseconds before its last byte is written.
        """
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
                folder.mark_done(listed)
            return None
        except OSError as error:
            self._note_fault(path, error)
            return None
        folder.mark_done(listed)
        self.last_rejection = None
        return SourceSegment(
            variant=number,
            name=name,
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

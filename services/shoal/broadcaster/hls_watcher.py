"""Watches Owncast's HLS folder by polling.

Owncast writes files in place, empties the folder at every stream start and makes the renditions'
folders again with mode 0750; older versions remove the folder itself. A watch that sits on a folder
dies of that without a word, a poll does not. One poll costs a few stat calls, whatever else lies in
the folder.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shoal.broadcaster.containers import is_whole
from shoal.broadcaster.fault import explain
from shoal.broadcaster.owncast_playlist import (
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
MAX_TAKEN = 256
"""more names than any of Owncast's playlists has"""
MISSING_GRACE_S = 2.0
"""a listed file that is not there after this long will not come"""

Wanted = Callable[[int, SegmentName], bool]
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
    map_data: bytes | None = None
    """its Media Initialization Section (fMP4 only)"""


@dataclass
class _Variant:
    path: str
    playlist: MediaPlaylist | None = None
    signature: Signature | None = None
    waiting: list[tuple[ListedSegment, SegmentName]] = field(
        default_factory=list[tuple[ListedSegment, SegmentName]]
    )
    """live segments that the playlist names and that are not taken yet"""
    taken: dict[str, None] = field(default_factory=dict[str, None])
    """file names that need no further look, oldest first"""
    growing: dict[str, Signature] = field(default_factory=dict[str, Signature])
    """what unfinished files looked like at the last poll"""
    missing_since: dict[str, float] = field(default_factory=dict[str, float])

    def read(self, playlist: MediaPlaylist, signature: Signature) -> int:
        """Take a new playlist; return how many segments left the old one before they were read."""
        before = self.waiting
        self.playlist, self.signature = playlist, signature
        listed = {segment.name for segment in playlist.segments}
        # a playlist that is cut between two lines looks whole: what was taken stays taken
        self.taken = dict.fromkeys([*self.taken][-MAX_TAKEN:])
        for state in (self.growing, self.missing_since):
            for name in state.keys() - listed:
                del state[name]
        self.waiting = [
            (segment, name)
            for segment in playlist.segments
            if segment.name not in self.taken and (name := parse_segment_name(segment.name))
        ]
        live = [name for name in map(parse_segment_name, listed) if name is not None]
        return sum(name.precedes(live) for _, name in before)

    def take(self, listed: ListedSegment) -> None:
        """Look at a segment no more."""
        self.taken[listed.name] = None
        self.waiting = [item for item in self.waiting if item[0] is not listed]


class Folder:
    """Owncast's HLS folder as it stands, poll by poll."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.renditions: Mapping[int, Rendition] = {}
        """what the master playlist says, by variant"""
        self.fault: str | None = None
        """why the last poll could not read something, for the operator; None when it could"""
        self.lost = 0
        """listed segments that were gone before they could be read"""
        self.refused: str | None = None
        """why the segment looked at last was not taken, None when it was"""
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

    def poll(self, now_s: float, wanted: Wanted) -> list[FoundSegment]:
        """Return the segments that are complete since the last poll, lowest k first.

        `now_s` is a monotonic clock, in seconds. `wanted(variant, name)` says whether a listed
        segment is to be read; it is asked in the order in which segments are to be numbered.
        """
        self.fault = None
        try:
            # runs a hundred times a second: os.listdir takes a tenth of Path.iterdir's time
            names = os.listdir(self.path)  # noqa: PTH208
        except OSError as error:
            self._note_fault(self.path, error)
            return []
        self._read_master()
        present = {int(name) for name in names if name.isdecimal()}
        for gone in self._variants.keys() - present:
            del self._variants[gone]
        for number in present:
            if number not in self._variants:
                self._variants[number] = _Variant(f"{self.path}/{number}")
            self.lost += self._read_playlist(self._variants[number])
        waiting = [
            (name.k, number, listed, name)
            for number, variant in self._variants.items()
            for listed, name in variant.waiting
        ]
        found: list[FoundSegment] = []
        for _, number, listed, name in sorted(waiting, key=lambda item: item[:2]):
            variant = self._variants[number]
            if not wanted(number, name):
                variant.take(listed)
            elif segment := self._read_segment(number, variant, listed, name, now_s):
                found.append(segment)
        return found

    def _read_master(self) -> None:
        path = f"{self.path}/{PLAYLIST_NAME}"
        try:
            signature = _signature(path)
            if signature != self._master_signature:
                self.renditions = {r.variant: r for r in parse_master(_read_text(path))}
                self._master_signature = signature
        except FileNotFoundError:
            return
        except (PlaylistError, UnicodeDecodeError):
            return  # cut: it is being written
        except OSError as error:
            self._note_fault(Path(path), error)

    def _read_playlist(self, variant: _Variant) -> int:
        """Read a rendition's playlist if it changed; return how many segments were missed."""
        path = f"{variant.path}/{PLAYLIST_NAME}"
        try:
            signature = _signature(path)
            if signature != variant.signature:
                return variant.read(parse_media_playlist(_read_text(path)), signature)
        except FileNotFoundError:
            missed = len(variant.waiting)
            variant.playlist = variant.signature = None
            variant.waiting = []
            return missed
        except PlaylistError as error:
            # most often cut, because it is being written: it is read again at the next poll
            self.refused = f"{path}: {error}"
        except UnicodeDecodeError as error:
            self.refused = f"{path}: {error}"
        except OSError as error:
            self._note_fault(Path(path), error)
        return 0

    def _read_segment(
        self, number: int, variant: _Variant, listed: ListedSegment, name: SegmentName, now_s: float
    ) -> FoundSegment | None:
        """Read a listed segment once it has stopped growing.

        A playlist may name a segment some milliseconds before its last byte is written.
        """
        path = Path(variant.path, listed.name)
        try:
            signature = _signature(path)
            settled = variant.growing.get(listed.name) == signature
            variant.growing[listed.name] = signature
            if not settled:
                return None
            data = path.read_bytes()
            if _signature(path) != signature:
                return None
            if not is_whole(listed.name, data):
                self.refused = f"{path} is cut, or no segment at all ({len(data)} bytes)"
                return None
            map_data = path.with_name(listed.map_name).read_bytes() if listed.map_name else None
        except FileNotFoundError:
            since = variant.missing_since.setdefault(listed.name, now_s)
            if now_s - since > MISSING_GRACE_S:
                self.lost += 1
                variant.take(listed)
            return None
        except OSError as error:
            self._note_fault(path, error)
            return None
        variant.take(listed)
        self.refused = None
        return FoundSegment(
            variant=number,
            name=name,
            path=path,
            signature=signature,
            data=data,
            duration=listed.duration,
            program_date_time=listed.program_date_time or "",
            map_data=map_data,
        )

    def _note_fault(self, path: Path, error: OSError) -> None:
        if self.fault is None:
            self.fault = explain(path, error)


def newest(segment: FoundSegment) -> FoundSegment:
    """Return the segment as its file is now; as it was read, if the file is the same or gone."""
    try:
        while (signature := _signature(segment.path)) != segment.signature:
            segment = replace(segment, signature=signature, data=segment.path.read_bytes())
    except OSError:
        pass
    return segment


def _signature(path: str | Path) -> Signature:
    status = os.stat(path)  # noqa: PTH116 - half of a Path's time
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_text(path: str) -> str:
    return Path(path).read_text("utf-8")

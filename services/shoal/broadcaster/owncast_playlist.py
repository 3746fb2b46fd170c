"""Reads what Owncast writes: file names, media playlists, the master playlist. No I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SEGMENT_NAME = re.compile(r"stream-(?P<stream>[A-Za-z0-9_-]+)-(?P<k>\d+)\.(?:ts|m4s)")
FILE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
OFFLINE_STREAM = "offline"
"""Owncast's id of the clip that it shows when nobody streams: never part of the programme"""


class PlaylistError(ValueError):
    """A playlist that is cut or is none: Owncast rewrites it in place, so it is read again."""


@dataclass(frozen=True)
class SegmentName:
    """`stream-<stream>-<k>.ts` or `.m4s`; k counts from 0 in each stream."""

    stream: str
    k: int

    def precedes(self, listed: Sequence["SegmentName"]) -> bool:
        """Say whether a playlist of these segments has gone on beyond this one."""
        same = [other.k for other in listed if other.stream == self.stream]
        return self.k < min(same) if same else bool(listed)


@dataclass(frozen=True)
class ListedSegment:
    """One segment of Owncast's media playlist."""

    name: str
    duration: float
    """seconds"""
    program_date_time: str | None
    map_name: str | None = None
    """file name of its Media Initialization Section (fMP4 only)"""


@dataclass(frozen=True)
class MediaPlaylist:
    """One rendition's playlist as Owncast wrote it."""

    segments: tuple[ListedSegment, ...]
    ended: bool


@dataclass(frozen=True)
class Rendition:
    """One line of Owncast's master playlist."""

    variant: int
    attributes: str
    """the attribute list of EXT-X-STREAM-INF as written: BANDWIDTH, RESOLUTION, CODECS"""


def parse_segment_name(name: str) -> SegmentName | None:
    """Return stream and number of a live segment; None for anything else, offline clips too."""
    found = SEGMENT_NAME.fullmatch(name)
    if found is None or found["stream"] == OFFLINE_STREAM:
        return None
    return SegmentName(found["stream"], int(found["k"]))


def parse_media_playlist(text: str) -> MediaPlaylist:
    """Parse a media playlist (RFC 8216, section 4.3.3); raise PlaylistError where it is cut.

    ffmpeg writes EXT-X-PROGRAM-DATE-TIME after EXTINF; both orders are read.
    """
    if not text.startswith("#EXTM3U\n") or not text.endswith("\n"):
        raise PlaylistError("cut or empty")
    complete_header = ended = False
    map_name: str | None = None
    duration: float | None = None
    program_date_time: str | None = None
    segments: list[ListedSegment] = []
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        try:
            if tag == "#EXT-X-TARGETDURATION":
                complete_header = True
            elif tag == "#EXT-X-MAP":
                map_name = _map_name(value)
            elif tag == "#EXTINF":
                duration = float(value.split(",")[0])
            elif tag == "#EXT-X-PROGRAM-DATE-TIME":
                program_date_time = _with_colon(value)
            elif line == "#EXT-X-ENDLIST":
                ended = True
            elif line and not line.startswith("#"):
                if duration is None:
                    raise PlaylistError(f"{line} has no EXTINF")
                segments.append(ListedSegment(line, duration, program_date_time, map_name))
                duration = program_date_time = None
        except ValueError as error:
            raise PlaylistError(f"bad line {line!r}") from error
    if not complete_header or duration is not None:
        raise PlaylistError("cut: no EXT-X-TARGETDURATION, or an EXTINF without its segment")
    return MediaPlaylist(tuple(segments), ended)


def _map_name(attributes: str) -> str:
    """Return the file that EXT-X-MAP names; it must lie in the rendition's own folder."""
    found = re.search(r'URI="([^"]+)"', attributes)
    if found is None or not FILE_NAME.fullmatch(found[1]) or "BYTERANGE" in attributes:
        raise PlaylistError(f"EXT-X-MAP that names no file beside it: {attributes}")
    return found[1]


def _with_colon(value: str) -> str:
    """Turn ffmpeg's `+0000` into ISO 8601's `+00:00`, which every player parses."""
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value.strip())


def parse_master(text: str) -> tuple[Rendition, ...]:
    """Return the renditions that a master playlist names as `<variant>/stream.m3u8`."""
    if not text.startswith("#EXTM3U\n") or not text.endswith("\n"):
        raise PlaylistError("cut or empty")
    renditions: list[Rendition] = []
    attributes: str | None = None
    for line in text.splitlines():
        if line.startswith("#EXT-X-STREAM-INF:"):
            attributes = line.partition(":")[2]
        elif line and not line.startswith("#") and attributes is not None:
            if variant := re.search(r"(?:^|/)(\d+)/stream\.m3u8$", line):
                renditions.append(Rendition(int(variant[1]), attributes))
            attributes = None
    return tuple(renditions)

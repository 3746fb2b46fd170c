"""Parses what Owncast writes: file names, media playlists, the multivariant playlist. No I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SEGMENT_NAME = re.compile(r"stream-(?P<stream>[A-Za-z0-9_-]+)-(?P<index>\d+)\.(?:ts|m4s)")
FILE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
OFFLINE_STREAM = "offline"
"""Owncast's id of the clip that it shows between streams, which we never publish"""


class PlaylistError(ValueError):
    """A playlist that is cut off or not a playlist: Owncast rewrites it in place, so retry."""


@dataclass(frozen=True)
class SegmentName:
    """`stream-<stream>-<index>.ts` or `.m4s`; the segment index starts at 0 in each stream."""

    stream: str
    index: int

    def precedes(self, listed: Sequence["SegmentName"]) -> bool:
        """Return whether a playlist of these segments has moved past this one."""
        same = [other.index for other in listed if other.stream == self.stream]
        return self.index < min(same) if same else bool(listed)


@dataclass(frozen=True)
class ListedSegment:
    """One segment in Owncast's media playlist."""

    name: str
    duration: float
    """seconds"""
    program_date_time: str | None
    init_name: str | None = None
    """file name of its init section (fMP4 only)"""


@dataclass(frozen=True)
class MediaPlaylist:
    """The media playlist of one variant, as Owncast wrote it."""

    segments: tuple[ListedSegment, ...]
    ended: bool


@dataclass(frozen=True)
class OwncastVariant:
    """One entry of Owncast's multivariant playlist."""

    variant: int
    attributes: str
    """the attribute list of EXT-X-STREAM-INF as written: BANDWIDTH, RESOLUTION, CODECS"""


def parse_segment_name(name: str) -> SegmentName | None:
    """Return stream and index of a live segment; None for anything else, such as offline clips."""
    match = SEGMENT_NAME.fullmatch(name)
    if match is None or match["stream"] == OFFLINE_STREAM:
        return None
    return SegmentName(match["stream"], int(match["index"]))


def parse_media_playlist(text: str) -> MediaPlaylist:
    """Parse a media playlist (RFC 8216, section 4.3.3). Raises PlaylistError when it is cut off.

    ffmpeg writes EXT-X-PROGRAM-DATE-TIME after EXTINF; both orders are accepted.
    """
    if not text.startswith("#EXTM3U\n") or not text.endswith("\n"):
        raise PlaylistError("cut off or empty")
    complete_header = ended = False
    init_name: str | None = None
    duration: float | None = None
    program_date_time: str | None = None
    segments: list[ListedSegment] = []
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        try:
            if tag == "#EXT-X-TARGETDURATION":
                complete_header = True
            elif tag == "#EXT-X-MAP":
                init_name = _init_name(value)
            elif tag == "#EXTINF":
                duration = float(value.split(",")[0])
            elif tag == "#EXT-X-PROGRAM-DATE-TIME":
                program_date_time = _with_utc_colon(value)
            elif line == "#EXT-X-ENDLIST":
                ended = True
            elif line and not line.startswith("#"):
                if duration is None:
                    raise PlaylistError(f"{line} has no EXTINF")
                segments.append(ListedSegment(line, duration, program_date_time, init_name))
                duration = program_date_time = None
        except ValueError as error:
            raise PlaylistError(f"cannot parse the line {line!r}") from error
    if not complete_header or duration is not None:
        raise PlaylistError(
            "cut off: EXT-X-TARGETDURATION or the segment after an EXTINF is missing"
        )
    return MediaPlaylist(tuple(segments), ended)


def _init_name(attributes: str) -> str:
    """Return the file that EXT-X-MAP names; it must be in the variant's own folder."""
    match = re.search(r'URI="([^"]+)"', attributes)
    if match is None or not FILE_NAME.fullmatch(match[1]) or "BYTERANGE" in attributes:
        raise PlaylistError(f"EXT-X-MAP must name a whole file in the same folder: {attributes}")
    return match[1]


def _with_utc_colon(value: str) -> str:
    """Turn ffmpeg's `+0000` into ISO 8601's `+00:00`, which every player parses."""
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value.strip())


def parse_multivariant_playlist(text: str) -> tuple[OwncastVariant, ...]:
    """Return the variants that a multivariant playlist names as `<variant>/stream.m3u8`.

    Raises PlaylistError when it is cut off.
    """
    if not text.startswith("#EXTM3U\n") or not text.endswith("\n"):
        raise PlaylistError("cut off or empty")
    variants: list[OwncastVariant] = []
    attributes: str | None = None
    for line in text.splitlines():
        if line.startswith("#EXT-X-STREAM-INF:"):
            attributes = line.partition(":")[2]
        elif line and not line.startswith("#") and attributes is not None:
            if variant := re.search(r"(?:^|/)(\d+)/stream\.m3u8$", line):
                variants.append(OwncastVariant(int(variant[1]), attributes))
            attributes = None
    return tuple(variants)

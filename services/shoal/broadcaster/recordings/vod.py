"""Writes a replay's playlists (RFC 8216) and its list of hashes. Values in, text out.

Names in them are relative: the replay plays from the store and, just as well, from a folder that
somebody has fetched by its torrent.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shoal.broadcaster.playlist import VERSION, VERSION_WITH_GAPS, gap_name
from shoal.broadcaster.recordings.segments import PLAYLIST, Segment


class HashedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer needs to verify a segment."""

    name: str
    sequence: int
    size: int
    """bytes"""
    duration: float
    """seconds"""
    sha256: str
    """hex"""


class HashList(msgspec.Struct, frozen=True):
    """`vod/<replay>/<variant>/segments.json`, oldest first."""

    segments: tuple[HashedSegment, ...]


def media_playlist(segments: Sequence[Segment]) -> str:
    """Render the playlist of one rendition that has at least one segment."""
    gaps = any(segment.name is None for segment in segments)
    target = max(int(segment.duration + 0.5) for segment in segments)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION_WITH_GAPS if gaps else VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f"#EXT-X-MEDIA-SEQUENCE:{segments[0].sequence}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    map_name: str | None = None
    for index, segment in enumerate(segments):
        if segment.discontinuity and index > 0:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.map_name not in (None, map_name):
            map_name = segment.map_name
            lines.append(f'#EXT-X-MAP:URI="{map_name}"')
        if segment.name is None:
            lines.append("#EXT-X-GAP")
        elif segment.program_date_time:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{segment.program_date_time}")
        name = segment.name or gap_name(segment.sequence)
        lines += [f"#EXTINF:{segment.duration:.6f},", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def multivariant_playlist(
    renditions: Mapping[int, Sequence[Segment]], attributes: Mapping[int, str]
) -> str:
    """Render the playlist over the renditions.

    `attributes` are those of EXT-X-STREAM-INF that Owncast gave while the stream was on; a
    rendition without them gets the bandwidth that its segments have.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant, segments in sorted(renditions.items()):
        named = attributes.get(variant) or f"BANDWIDTH={_peak_bandwidth(segments)}"
        lines += [f"#EXT-X-STREAM-INF:{named}", f"{variant}/{PLAYLIST}"]
    return "\n".join(lines) + "\n"


def hash_list(segments: Sequence[Segment]) -> bytes:
    """Render the hashes of one rendition's segments."""
    return msgspec.json.encode(
        HashList(
            tuple(
                HashedSegment(
                    name=segment.name,
                    sequence=segment.sequence,
                    size=segment.size,
                    duration=segment.duration,
                    sha256=segment.sha256,
                )
                for segment in segments
                if segment.name is not None
            )
        )
    )


def _peak_bandwidth(segments: Sequence[Segment]) -> int:
    """Return the highest segment bit rate, bit/s (RFC 8216, section 4.3.4.2)."""
    rates = [s.size * 8 / s.duration for s in segments if s.name is not None and s.duration > 0]
    return int(max(rates, default=1)) or 1

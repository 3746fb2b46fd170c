"""Renders a replay's playlists (RFC 8216) and its list of hashes. Values in, text out.

Their URIs are relative, so that a replay plays from the store as well as from a folder that was
downloaded by its torrent.
"""

from collections.abc import Mapping, Sequence

import msgspec

from shoal.broadcaster.playlist import VERSION, VERSION_WITH_GAPS, gap_name
from shoal.broadcaster.recordings.segments import PLAYLIST, RecordedSegment


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


def media_playlist(segments: Sequence[RecordedSegment]) -> str:
    """Render the media playlist of a variant that has at least one segment."""
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
    init_name: str | None = None
    for index, segment in enumerate(segments):
        if segment.discontinuity and index > 0:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init_name not in (None, init_name):
            init_name = segment.init_name
            lines.append(f'#EXT-X-MAP:URI="{init_name}"')
        if segment.name is None:
            lines.append("#EXT-X-GAP")
        elif segment.program_date_time:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{segment.program_date_time}")
        name = segment.name or gap_name(segment.sequence)
        lines += [f"#EXTINF:{segment.duration:.6f},", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def multivariant_playlist(
    variants: Mapping[int, Sequence[RecordedSegment]], attributes: Mapping[int, str]
) -> str:
    """Render the multivariant playlist.

    `attributes` are Owncast's of EXT-X-STREAM-INF while the stream was on air; a variant without
    them gets the measured bandwidth of its segments.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant, segments in sorted(variants.items()):
        stream_inf = attributes.get(variant) or f"BANDWIDTH={_peak_bandwidth(segments)}"
        lines += [f"#EXT-X-STREAM-INF:{stream_inf}", f"{variant}/{PLAYLIST}"]
    return "\n".join(lines) + "\n"


def hash_list(segments: Sequence[RecordedSegment]) -> bytes:
    """Render the hashes of a variant's segments as JSON."""
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


def _peak_bandwidth(segments: Sequence[RecordedSegment]) -> int:
    """Return the highest segment bit rate, bit/s (RFC 8216, section 4.3.4.2)."""
    rates = [s.size * 8 / s.duration for s in segments if s.name is not None and s.duration > 0]
    return int(max(rates, default=1)) or 1

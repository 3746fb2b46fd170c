"""Renders playlists, live and replayed (RFC 8216). Values in, text out; callers render once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shoal.broadcaster.owncast_playlist import OwncastVariant
from shoal.broadcaster.timeline import Timeline, TimelineEntry, VariantWindow

VERSION = 6
VERSION_WITH_GAPS = 8
"""EXT-X-GAP came with version 8 (RFC 8216bis, section 7)"""


@dataclass(frozen=True)
class PlaylistItem:
    """One place in a media playlist: a segment, or a gap (uri is None)."""

    sequence: int
    duration: float
    """seconds"""
    uri: str | None
    discontinuity: bool
    """whether EXT-X-DISCONTINUITY precedes it"""
    program_date_time: str = ""
    """ISO 8601"""
    init_uri: str | None = None
    """its init section (fMP4 only)"""
    size: int = 0
    """bytes"""


def media_playlist(
    items: Sequence[PlaylistItem],
    *,
    target_duration: int,
    discontinuity_sequence: int | None = None,
    vod: bool = False,
    ended: bool = False,
) -> str:
    """Render a media playlist that has at least one item; `target_duration` is in seconds."""
    gaps = any(item.uri is None for item in items)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION_WITH_GAPS if gaps else VERSION}",
        f"#EXT-X-TARGETDURATION:{target_duration}",
    ]
    if vod:
        lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{items[0].sequence}")
    if discontinuity_sequence is not None:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity_sequence}")
    lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    init_uri: str | None = None
    for item in items:
        if item.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if item.init_uri not in (None, init_uri):
            init_uri = item.init_uri
            lines.append(f'#EXT-X-MAP:URI="{init_uri}"')
        if item.uri is None:
            lines.append("#EXT-X-GAP")
        elif item.program_date_time:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{item.program_date_time}")
        lines += [f"#EXTINF:{item.duration:.6f},", item.uri or gap_name(item.sequence)]
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def multivariant_playlist(
    variants: Mapping[int, Sequence[PlaylistItem]], attributes: Mapping[int, str]
) -> str:
    """Render the multivariant playlist, in Owncast's order.

    `attributes` are Owncast's of EXT-X-STREAM-INF, by variant; a variant that has none (yet) gets
    the measured bandwidth of its segments.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant, items in sorted(variants.items()):
        stream_inf = attributes.get(variant) or f"BANDWIDTH={peak_bandwidth(items)}"
        lines += [f"#EXT-X-STREAM-INF:{stream_inf}", f"{variant}/playlist.m3u8"]
    return "\n".join(lines) + "\n"


def peak_bandwidth(items: Sequence[PlaylistItem]) -> int:
    """Return the highest segment bit rate, bit/s (RFC 8216, section 4.3.4.2)."""
    rates = [
        item.size * 8 / item.duration
        for item in items
        if item.uri is not None and item.duration > 0
    ]
    return int(max(rates, default=1)) or 1


def gap_name(sequence: int) -> str:
    """Return the URI of a gap. Players that know EXT-X-GAP do not load it."""
    return f"gap-{sequence}.ts"


def live_media_playlist(timeline: Timeline, window: VariantWindow) -> str:
    """Render the media playlist of a variant that has at least one entry."""
    return media_playlist(
        [_live_item(timeline, entry) for entry in window.entries],
        target_duration=timeline.target_duration,
        discontinuity_sequence=timeline.discontinuity_sequence(window),
        ended=timeline.ended,
    )


def live_multivariant_playlist(timeline: Timeline, owncast: Mapping[int, OwncastVariant]) -> str:
    """Render the multivariant playlist of all published variants.

    `owncast` is Owncast's own, by variant.
    """
    return multivariant_playlist(
        {
            variant: [_live_item(timeline, entry) for entry in window.entries]
            for variant, window in timeline.windows.items()
        },
        {variant: listed.attributes for variant, listed in owncast.items()},
    )


def _live_item(timeline: Timeline, entry: TimelineEntry) -> PlaylistItem:
    descriptor = entry.descriptor
    discontinuity = timeline.is_discontinuity(entry.sequence)
    if descriptor is None:
        return PlaylistItem(entry.sequence, entry.duration, None, discontinuity)
    folder = descriptor.url.rpartition("/")[0]
    return PlaylistItem(
        sequence=entry.sequence,
        duration=entry.duration,
        uri=descriptor.url,
        discontinuity=discontinuity,
        program_date_time=descriptor.program_date_time,
        # the init section is in the same folder as its segments
        init_uri=f"{folder}/{entry.init_name}" if entry.init_name is not None else None,
        size=descriptor.size,
    )

"""Renders our playlists (RFC 8216). Values in, text out; the caller renders once per change."""

from collections.abc import Mapping

from shoal.broadcaster.owncast_playlist import OwncastVariant
from shoal.broadcaster.timeline import Timeline, TimelineEntry, VariantWindow

VERSION = 6
VERSION_WITH_GAPS = 8
"""EXT-X-GAP came with version 8 (RFC 8216bis, section 7)"""


def media_playlist(timeline: Timeline, window: VariantWindow) -> str:
    """Render the media playlist of a variant that has at least one entry."""
    entries = window.entries
    gaps = any(entry.descriptor is None for entry in entries)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION_WITH_GAPS if gaps else VERSION}",
        f"#EXT-X-TARGETDURATION:{timeline.target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{entries[0].sequence}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{timeline.discontinuity_sequence(window)}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    init_name: str | None = None
    for entry in entries:
        if timeline.is_discontinuity(entry.sequence):
            lines.append("#EXT-X-DISCONTINUITY")
        if entry.descriptor is not None and entry.init_name not in (None, init_name):
            init_name = entry.init_name
            # the init section is in the same folder as its segments
            lines.append(f'#EXT-X-MAP:URI="{entry.descriptor.url.rpartition("/")[0]}/{init_name}"')
        lines.extend(_entry_lines(entry))
    if timeline.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def gap_name(sequence: int) -> str:
    """Return the URI of a gap. Players that know EXT-X-GAP do not load it."""
    return f"gap-{sequence}.ts"


def _entry_lines(entry: TimelineEntry) -> list[str]:
    if entry.descriptor is None:
        return ["#EXT-X-GAP", f"#EXTINF:{entry.duration:.6f},", gap_name(entry.sequence)]
    lines = [f"#EXTINF:{entry.duration:.6f},", entry.descriptor.url]
    if entry.descriptor.program_date_time:
        lines.insert(0, f"#EXT-X-PROGRAM-DATE-TIME:{entry.descriptor.program_date_time}")
    return lines


def multivariant_playlist(timeline: Timeline, owncast: Mapping[int, OwncastVariant]) -> str:
    """Render the multivariant playlist of all published variants, in Owncast's order.

    `owncast` has the attributes from its multivariant playlist; a variant that is not in there yet
    gets the measured bandwidth of its segments.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant, window in sorted(timeline.windows.items()):
        listed = owncast.get(variant)
        attributes = listed.attributes if listed else f"BANDWIDTH={peak_bandwidth(window)}"
        lines += [f"#EXT-X-STREAM-INF:{attributes}", f"{variant}/playlist.m3u8"]
    return "\n".join(lines) + "\n"


def peak_bandwidth(window: VariantWindow) -> int:
    """Return the highest segment bit rate of a window, bit/s (RFC 8216, section 4.3.4.2)."""
    rates = [
        descriptor.size * 8 / descriptor.duration
        for descriptor in window.descriptors()
        if descriptor.duration > 0
    ]
    return int(max(rates, default=1)) or 1

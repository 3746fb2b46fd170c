"""Writes our playlists (RFC 8216). Text in, text out; rendered once per change by the caller."""

from collections.abc import Mapping

from shoal.broadcaster.owncast_playlist import Rendition as OwncastRendition
from shoal.broadcaster.timeline import Entry, Rendition, Timeline

VERSION = 6
VERSION_WITH_GAPS = 8
"""EXT-X-GAP came with version 8 (RFC 8216bis, section 7)"""


def media_playlist(timeline: Timeline, rendition: Rendition) -> str:
    """Render the media playlist of one rendition that has at least one entry."""
    entries = rendition.entries
    gaps = any(entry.descriptor is None for entry in entries)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION_WITH_GAPS if gaps else VERSION}",
        f"#EXT-X-TARGETDURATION:{timeline.target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{entries[0].sequence}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{timeline.discontinuity_sequence(rendition)}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    map_name: str | None = None
    for entry in entries:
        if timeline.is_discontinuity(entry.sequence):
            lines.append("#EXT-X-DISCONTINUITY")
        if entry.descriptor is not None and entry.map_name not in (None, map_name):
            map_name = entry.map_name
            # the initialization section lies beside its segments
            lines.append(f'#EXT-X-MAP:URI="{entry.descriptor.url.rpartition("/")[0]}/{map_name}"')
        lines.extend(_entry_lines(entry))
    if timeline.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def gap_name(sequence: int) -> str:
    """Return the URI of a gap. Players that know EXT-X-GAP do not load it."""
    return f"gap-{sequence}.ts"


def _entry_lines(entry: Entry) -> list[str]:
    if entry.descriptor is None:
        return ["#EXT-X-GAP", f"#EXTINF:{entry.duration:.6f},", gap_name(entry.sequence)]
    lines = [f"#EXTINF:{entry.duration:.6f},", entry.descriptor.url]
    if entry.descriptor.program_date_time:
        lines.insert(0, f"#EXT-X-PROGRAM-DATE-TIME:{entry.descriptor.program_date_time}")
    return lines


def multivariant_playlist(timeline: Timeline, owncast: Mapping[int, OwncastRendition]) -> str:
    """Render the multivariant playlist over all published renditions, in Owncast's order.

    `owncast` gives the attributes from its master playlist; a rendition that it does not name yet
    gets the bandwidth that its segments have.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant, rendition in sorted(timeline.renditions.items()):
        named = owncast.get(variant)
        attributes = named.attributes if named else f"BANDWIDTH={peak_bandwidth(rendition)}"
        lines += [f"#EXT-X-STREAM-INF:{attributes}", f"{variant}/playlist.m3u8"]
    return "\n".join(lines) + "\n"


def peak_bandwidth(rendition: Rendition) -> int:
    """Return the highest segment bit rate of a window, bit/s (RFC 8216, section 4.3.4.2)."""
    rates = [
        descriptor.size * 8 / descriptor.duration
        for descriptor in rendition.descriptors()
        if descriptor.duration > 0
    ]
    return int(max(rates, default=1)) or 1

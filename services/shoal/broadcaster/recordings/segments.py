"""The segments of a recording as plain values; their playlists, hashes, and keys in the store.

URIs are relative, so that a replay plays from the store as well as from a folder that was
downloaded by its torrent.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from shoal.broadcaster import playlist
from shoal.broadcaster.playlist import PlaylistItem
from shoal.broadcaster.timeline import TimelineEntry

FOLDER = "vod"
PLAYLIST = "playlist.m3u8"
HASHES = "segments.json"


class RecordedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a variant of a recording: a segment, or a gap (name is None)."""

    variant: int
    sequence: int
    """its media sequence while it was live"""
    duration: float
    """seconds"""
    discontinuity: bool
    """whether EXT-X-DISCONTINUITY precedes it"""
    name: str | None = None
    init_name: str | None = msgspec.field(default=None, name="map_name")
    """object in the same folder that holds its init section (fMP4 only)"""
    size: int = 0
    """bytes"""
    sha256: str = ""
    """hex"""
    program_date_time: str = ""
    """ISO 8601, the wall clock of the first frame"""


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


def recorded_segment(variant: int, entry: TimelineEntry, *, discontinuity: bool) -> RecordedSegment:
    """Return what is recorded of an entry of the live playlist."""
    descriptor = entry.descriptor
    if descriptor is None:
        return RecordedSegment(
            variant=variant,
            sequence=entry.sequence,
            duration=entry.duration,
            discontinuity=discontinuity,
        )
    return RecordedSegment(
        variant=variant,
        sequence=entry.sequence,
        duration=entry.duration,
        discontinuity=discontinuity,
        name=descriptor.name,
        init_name=entry.init_name,
        size=descriptor.size,
        sha256=descriptor.sha256,
        program_date_time=descriptor.program_date_time,
    )


def gap_for(segment: RecordedSegment, variant: int | None = None) -> RecordedSegment:
    """Return the gap that takes the place of a missing segment."""
    return RecordedSegment(
        variant=segment.variant if variant is None else variant,
        sequence=segment.sequence,
        duration=segment.duration,
        discontinuity=segment.discontinuity,
    )


def align(recorded: dict[int, list[RecordedSegment]]) -> dict[int, list[RecordedSegment]]:
    """Return the variants over one and the same range of media sequences.

    A variant that started late or lost segments has gaps in their place, so that players can switch
    between variants; what all of them lack at either end is left out.
    """
    known: dict[int, RecordedSegment] = {}
    for segment in (s for segments in recorded.values() for s in segments):
        if segment.name is not None or segment.sequence not in known:
            known[segment.sequence] = segment
    present = [segment.sequence for segment in known.values() if segment.name is not None]
    if not present:
        return {}
    sequences = [n for n in sorted(known) if min(present) <= n <= max(present)]
    aligned: dict[int, list[RecordedSegment]] = {}
    for variant, segments in sorted(recorded.items()):
        own = {segment.sequence: segment for segment in segments}
        if any(segment.name is not None for segment in segments):
            aligned[variant] = [own.get(n) or gap_for(known[n], variant) for n in sequences]
    return aligned


def start_time(variants: dict[int, list[RecordedSegment]]) -> str | None:
    """Return when the first segment was recorded, ISO 8601; None if it does not say."""
    times: list[datetime] = []
    for segments in variants.values():
        with suppress(ValueError):  # it has none or is a gap
            times.append(datetime.fromisoformat(segments[0].program_date_time))
    return min(times).isoformat() if times else None


def total_duration(variants: dict[int, list[RecordedSegment]]) -> float:
    """Return how long the replay plays, gaps included, in seconds."""
    return max(sum(s.duration for s in segments) for segments in variants.values())


def media_playlist(segments: Sequence[RecordedSegment]) -> str:
    """Render the media playlist of a variant that has at least one segment."""
    items = [_item(segment, first=index == 0) for index, segment in enumerate(segments)]
    target = max(int(segment.duration + 0.5) for segment in segments)
    return playlist.media_playlist(items, target_duration=target, vod=True, ended=True)


def multivariant_playlist(
    variants: Mapping[int, Sequence[RecordedSegment]], attributes: Mapping[int, str]
) -> str:
    """Render the multivariant playlist.

    `attributes` are Owncast's of EXT-X-STREAM-INF while the stream was on air, by variant.
    """
    items = {variant: [_item(s) for s in segments] for variant, segments in variants.items()}
    return playlist.multivariant_playlist(items, attributes)


def _item(segment: RecordedSegment, *, first: bool = False) -> PlaylistItem:
    return PlaylistItem(
        sequence=segment.sequence,
        duration=segment.duration,
        uri=segment.name,
        discontinuity=segment.discontinuity and not first,
        program_date_time=segment.program_date_time,
        init_uri=segment.init_name,
        size=segment.size,
    )


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


def replay_prefix(replay: str) -> str:
    """Return what the keys of all objects of a replay begin with."""
    return f"{FOLDER}/{replay}/"


def replay_key(replay: str, variant: int, name: str) -> str:
    """Return the key of a file of a variant: `vod/<replay>/<variant>/<name>`."""
    return f"{replay_prefix(replay)}{variant}/{name}"

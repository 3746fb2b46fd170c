"""What a replay consists of, as plain values: its segments, and their places in the store."""

from contextlib import suppress
from datetime import datetime

import msgspec

from shoal.broadcaster.timeline import Entry

FOLDER = "vod"
PLAYLIST = "playlist.m3u8"
HASHES = "segments.json"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a rendition of a recording: a segment, or a gap (name is None)."""

    variant: int
    sequence: int
    """media sequence number that it had while it was live"""
    duration: float
    """seconds"""
    discontinuity: bool
    """whether EXT-X-DISCONTINUITY stands before it"""
    name: str | None = None
    map_name: str | None = None
    """object beside it that holds its Media Initialization Section (fMP4 only)"""
    size: int = 0
    """bytes"""
    sha256: str = ""
    """hex"""
    program_date_time: str = ""
    """ISO 8601, the wall clock of the first frame"""


def segment_of(variant: int, entry: Entry, *, discontinuity: bool) -> Segment:
    """Return what is recorded of an entry of the live playlist."""
    found = entry.descriptor
    if found is None:
        return Segment(
            variant=variant,
            sequence=entry.sequence,
            duration=entry.duration,
            discontinuity=discontinuity,
        )
    return Segment(
        variant=variant,
        sequence=entry.sequence,
        duration=entry.duration,
        discontinuity=discontinuity,
        name=found.name,
        map_name=entry.map_name,
        size=found.size,
        sha256=found.sha256,
        program_date_time=found.program_date_time,
    )


def gap(segment: Segment, variant: int | None = None) -> Segment:
    """Return the gap that stands where a segment is missing."""
    return Segment(
        variant=segment.variant if variant is None else variant,
        sequence=segment.sequence,
        duration=segment.duration,
        discontinuity=segment.discontinuity,
    )


def aligned(recorded: dict[int, list[Segment]]) -> dict[int, list[Segment]]:
    """Return the renditions over one and the same span of media sequence numbers.

    A rendition that came late, or lost segments, has gaps in their place, so that players can
    change between renditions; what all of them lack at either end is left out.
    """
    known: dict[int, Segment] = {}
    for segment in (s for segments in recorded.values() for s in segments):
        if segment.name is not None or segment.sequence not in known:
            known[segment.sequence] = segment
    present = [segment.sequence for segment in known.values() if segment.name is not None]
    if not present:
        return {}
    span = [n for n in sorted(known) if min(present) <= n <= max(present)]
    whole: dict[int, list[Segment]] = {}
    for variant, segments in sorted(recorded.items()):
        own = {segment.sequence: segment for segment in segments}
        if any(segment.name is not None for segment in segments):
            whole[variant] = [own.get(n) or gap(known[n], variant) for n in span]
    return whole


def begun(renditions: dict[int, list[Segment]]) -> str | None:
    """Return when the recording began by its first segment, ISO 8601; None when it does not say."""
    clocks: list[datetime] = []
    for segments in renditions.values():
        with suppress(ValueError):  # none, or a gap's
            clocks.append(datetime.fromisoformat(segments[0].program_date_time))
    return min(clocks).isoformat() if clocks else None


def seconds(renditions: dict[int, list[Segment]]) -> float:
    """Return how long the replay plays, its gaps included."""
    return max(sum(s.duration for s in segments) for segments in renditions.values())


def prefix_of(replay: str) -> str:
    """Return what the keys of a replay's objects begin with."""
    return f"{FOLDER}/{replay}/"


def kept_key(replay: str, variant: int, name: str) -> str:
    """Return the key of one of a rendition's files: `vod/<replay>/<variant>/<name>`."""
    return f"{prefix_of(replay)}{variant}/{name}"

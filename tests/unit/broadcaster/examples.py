"""Timeline entries and descriptors for tests."""

from shoal.broadcaster.timeline import Timeline, TimelineEntry
from shoal.segments import Descriptor

NOW = 1_790_000_000.0
"""Unix time, seconds"""


def assign_sequence(timeline: Timeline, stream: str, index: int) -> int:
    """Return a segment's media sequence; the first one of a stream opens it."""
    if timeline.sequence_of(stream, index) is None:
        timeline.open_stream(stream, index)
    return timeline.assign(stream, index)


def entry(
    timeline: Timeline, sequence: int, *, stream: str = "a", index: int = 0, variant: int = 0
) -> TimelineEntry:
    """Return the timeline entry of a segment."""
    published = descriptor(timeline, sequence, stream=stream, index=index, variant=variant)
    return TimelineEntry(sequence=sequence, duration=published.duration, descriptor=published)


def descriptor(
    timeline: Timeline, sequence: int, *, stream: str = "a", index: int = 0, variant: int = 0
) -> Descriptor:
    """Return the descriptor of a segment of four seconds and one megabyte."""
    name = f"stream-{stream}-{index}.ts"
    return Descriptor(
        variant=variant,
        sequence=sequence,
        name=name,
        url=f"https://media.example/live/{variant}/{name}",
        size=1_000_000,
        duration=4.0,
        program_date_time="2026-11-22T09:03:08.231+00:00",
        discontinuity=timeline.is_discontinuity(sequence),
        sha256="00" * 32,
        piece_size=32768,
        pieces=("x",),
    )

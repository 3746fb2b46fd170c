"""Descriptors for tests."""

from shoal.broadcaster.timeline import Entry, Timeline
from shoal.segments import Descriptor

NOW = 1_790_000_000.0
"""Unix time, seconds"""


def entry(
    timeline: Timeline, sequence: int, *, stream: str = "a", k: int = 0, variant: int = 0
) -> Entry:
    """A segment as it is published."""
    published = descriptor(timeline, sequence, stream=stream, k=k, variant=variant)
    return Entry(sequence=sequence, duration=published.duration, descriptor=published)


def descriptor(
    timeline: Timeline, sequence: int, *, stream: str = "a", k: int = 0, variant: int = 0
) -> Descriptor:
    """A published segment of four seconds and a megabyte."""
    name = f"stream-{stream}-{k}.ts"
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

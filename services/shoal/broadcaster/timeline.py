"""The station's timeline: which segment has which media sequence number, and what is published.

Owncast numbers segments from 0 in each stream; we never go back. Each stream gets a base, one for
all renditions: media sequence = base + k. A number that a rendition lacks becomes an EXT-X-GAP.
Plain state and rules, no I/O; `state.py` keeps it on disk.
"""

import msgspec

from shoal.segments import Descriptor

WINDOW_SEGMENTS = 60


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a rendition's playlist: a segment, or a gap (descriptor is None)."""

    sequence: int
    duration: float
    """seconds"""
    descriptor: Descriptor | None


class StreamBase(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream of Owncast's begins in our numbering."""

    stream: str
    base: int
    """media sequence of its k = 0; may be negative when we met it in mid-air"""
    start: int
    """media sequence of the first segment that we saw of it"""
    discontinuities: int
    """streams before it: the Discontinuity Sequence Number of its segments"""


class Rendition(msgspec.Struct, kw_only=True):
    """The published window of one rendition, oldest first, without holes in its numbers."""

    entries: list[Entry] = msgspec.field(default_factory=list[Entry])

    @property
    def last_sequence(self) -> int | None:
        """The newest media sequence, None before the first."""
        return self.entries[-1].sequence if self.entries else None

    def descriptors(self, after: int = -1) -> tuple[Descriptor, ...]:
        """The segments with a media sequence above `after`, oldest first, without the gaps."""
        return tuple(
            entry.descriptor
            for entry in self.entries
            if entry.descriptor is not None and entry.sequence > after
        )


class Timeline(msgspec.Struct, kw_only=True):
    """All that must survive a restart."""

    target_duration: int = 0
    """seconds; 0 before the first segment"""
    next_sequence: int = 0
    """above every media sequence given out so far, in any rendition"""
    published: int = 0
    """segments published since the station began"""
    streams: list[StreamBase] = msgspec.field(default_factory=list[StreamBase])
    """oldest first; those that a window still needs, and the newest"""
    renditions: dict[int, Rendition] = msgspec.field(default_factory=dict[int, Rendition])

    @property
    def stream(self) -> str | None:
        """Owncast's id of the newest stream, None before the first."""
        return self.streams[-1].stream if self.streams else None

    def sequence_of(self, stream: str, k: int) -> int:
        """Return the media sequence of a segment; the first of a new stream opens it."""
        known = next((base for base in reversed(self.streams) if base.stream == stream), None)
        if known is None:
            known = StreamBase(
                stream=stream,
                base=self.next_sequence - k,
                start=self.next_sequence,
                discontinuities=self.streams[-1].discontinuities + 1 if self.streams else 0,
            )
            self.streams.append(known)
        sequence = known.base + k
        self.next_sequence = max(self.next_sequence, sequence + 1)
        return sequence

    def is_due(self, variant: int, sequence: int) -> bool:
        """Say whether `sequence` may still be published: above all that the rendition has."""
        rendition = self.renditions.get(variant)
        last = rendition.last_sequence if rendition else None
        return sequence >= 0 and (last is None or sequence > last)

    def is_discontinuity(self, sequence: int) -> bool:
        """Say whether EXT-X-DISCONTINUITY stands before `sequence`, the same in all renditions."""
        return any(base.start == sequence and base.discontinuities > 0 for base in self.streams)

    def discontinuity_sequence(self, rendition: Rendition) -> int:
        """Return EXT-X-DISCONTINUITY-SEQUENCE of a window (RFC 8216, section 4.3.3.3)."""
        if not rendition.entries:
            return 0
        first = rendition.entries[0].sequence
        begun = [base.discontinuities for base in self.streams if base.start <= first]
        number = begun[-1] if begun else 0
        return number - 1 if self.is_discontinuity(first) else number

    def publish(self, descriptor: Descriptor) -> None:
        """Append a segment, with gaps for the numbers that its rendition lacks before it.

        Raises ValueError when its media sequence is not above the rendition's last.
        """
        if not self.is_due(descriptor.variant, descriptor.sequence):
            raise ValueError(f"{descriptor.name}: sequence {descriptor.sequence} is in the past")
        # not Owncast's own target duration: its offline clip raises that to 9 s
        self.target_duration = max(self.target_duration, int(descriptor.duration + 0.5))
        rendition = self.renditions.setdefault(descriptor.variant, Rendition())
        last = rendition.last_sequence
        first_gap = descriptor.sequence if last is None else last + 1
        oldest_gap = max(first_gap, descriptor.sequence - WINDOW_SEGMENTS)
        rendition.entries.extend(
            Entry(sequence=sequence, duration=float(self.target_duration), descriptor=None)
            for sequence in range(oldest_gap, descriptor.sequence)
        )
        rendition.entries.append(
            Entry(
                sequence=descriptor.sequence,
                duration=descriptor.duration,
                descriptor=descriptor,
            )
        )
        rendition.entries = rendition.entries[-WINDOW_SEGMENTS:]
        self.published += 1
        self._forget_streams()

    def _forget_streams(self) -> None:
        """Drop the streams that no window reaches back to; the newest always stays."""
        oldest = min(r.entries[0].sequence for r in self.renditions.values() if r.entries)
        needed = [i for i, base in enumerate(self.streams) if base.start <= oldest]
        self.streams = self.streams[needed[-1] if needed else 0 :]

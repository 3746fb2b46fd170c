"""The station's timeline: which segment has which media sequence number, and what is published.

Owncast numbers segments from 0 in each stream; we never go back. Each stream gets a base, one for
all renditions: media sequence = base + k. A number that a rendition lacks becomes an EXT-X-GAP.
Plain state and rules, no I/O; `state.py` keeps it on disk.
"""

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from shoal.segments import Descriptor

WINDOW_SEGMENTS = 60
LATE_SEGMENTS = 3
"""a rendition that is so far behind the others has lost what it lacks: gaps take its place"""
OBJECT_GRACE_S = 60.0
"""objects outlive the window by the playlist's length and this, for players that lag behind"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a rendition's playlist: a segment, or a gap (descriptor is None)."""

    sequence: int
    duration: float
    """seconds"""
    descriptor: Descriptor | None
    map_name: str | None = None
    """object beside it that holds its Media Initialization Section (fMP4 only)"""
    stored: bool = True
    """whether the store has it; false: published from the seeder while the store failed"""


class StreamBase(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream of Owncast's begins in our numbering."""

    stream: str
    base: int
    """media sequence of its k = 0; may be negative when we met it in mid-air"""
    start: int
    """media sequence of the first segment that we saw of it"""
    discontinuities: int
    """streams before it: the Discontinuity Sequence Number of its segments"""


class Expired(msgspec.Struct, frozen=True):
    """An object that nobody needs any more from `at` on (Unix time, seconds)."""

    key: str
    at: float


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
    next_discontinuity: int = 0
    """Discontinuity Sequence Number of the next stream"""
    published: int = 0
    """segments published since the station began"""
    ended: bool = False
    """whether EXT-X-ENDLIST stands in the playlists; the next stream begins new ones"""
    streams: list[StreamBase] = msgspec.field(default_factory=list[StreamBase])
    """oldest first; those that a window still needs, and the newest"""
    renditions: dict[int, Rendition] = msgspec.field(default_factory=dict[int, Rendition])
    expired: list[Expired] = msgspec.field(default_factory=list[Expired])
    """objects to delete, the next one first"""

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
                discontinuities=self.next_discontinuity,
            )
            self.next_discontinuity += 1
            self.streams.append(known)
        sequence = known.base + k
        self.next_sequence = max(self.next_sequence, sequence + 1)
        return sequence

    def is_due(self, variant: int, sequence: int) -> bool:
        """Say whether `sequence` may still be published: above all that the rendition has.

        One that is not in the playlists (any more) may come in beside the newest of the others.
        """
        rendition = self.renditions.get(variant)
        last = rendition.last_sequence if rendition else None
        if last is None:
            others = [r.last_sequence for r in self.renditions.values()]
            last = max((n for n in others if n is not None), default=-1) - LATE_SEGMENTS - 1
        return sequence > max(last, -1)

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

    def publish(self, entry: Entry, now: float, named: Collection[int] = ()) -> list[Entry]:
        """Append a segment, with gaps for the numbers that renditions lack before it.

        `now` is Unix time, in seconds; `named` are the renditions of Owncast's master playlist, if
        it is known: what it names no more goes with the stream that had it. Returns the entries
        that have left the windows. Raises ValueError when the media sequence is not above the
        rendition's last.
        """
        descriptor = entry.descriptor
        if descriptor is None or not self.is_due(descriptor.variant, entry.sequence):
            raise ValueError(f"sequence {entry.sequence} is in the past, or is no segment")
        maps = self._maps()
        left = self._begin_anew() if self.ended else []
        # not Owncast's own target duration: its offline clip raises that to 9 s
        self.target_duration = max(self.target_duration, int(entry.duration + 0.5))
        rendition = self.renditions.setdefault(descriptor.variant, Rendition())
        self._fill_gaps(rendition, entry.sequence)
        rendition.entries.append(entry)
        self.published += 1
        start = self.streams[-1].start if self.streams else 0
        for number, other in list(self.renditions.items()):
            if named and number not in named and (other.last_sequence or 0) < start:
                left += self.renditions.pop(number).entries
                continue
            if other is not rendition and other.last_sequence is not None:
                self._fill_gaps(other, entry.sequence - LATE_SEGMENTS)
            left += other.entries[:-WINDOW_SEGMENTS]
            other.entries = other.entries[-WINDOW_SEGMENTS:]
            if not other.descriptors():
                del self.renditions[number]  # it stopped a whole window ago
        self._forget_streams()
        self._expire([object_key(e.descriptor) for e in left if e.descriptor is not None], now)
        self._expire([key_of(*name) for name in maps - self._maps()], now)
        return left

    def confirm(self, variant: int, sequence: int) -> None:
        """Note that the store has a segment that was published without it."""
        rendition = self.renditions.get(variant, Rendition())
        for index, entry in enumerate(rendition.entries):
            if entry.sequence == sequence:
                descriptor = entry.descriptor and replace(entry.descriptor, stored=True)
                rendition.entries[index] = replace(entry, stored=True, descriptor=descriptor)

    def end(self) -> None:
        """Close the playlists: whatever comes next is in new ones."""
        self.ended = True

    def due_for_deletion(self, now: float) -> list[str]:
        """Return the keys of the objects whose time is over."""
        return [expired.key for expired in self.expired if expired.at <= now]

    def deleted(self, keys: list[str]) -> None:
        """Forget objects that are gone from the store."""
        gone = set(keys)
        self.expired = [expired for expired in self.expired if expired.key not in gone]

    def _fill_gaps(self, rendition: Rendition, until: int) -> None:
        """Append gaps up to, not including, `until`; of a long hole only what a window shows."""
        last = rendition.last_sequence
        first = until if last is None else last + 1
        rendition.entries.extend(
            Entry(sequence=sequence, duration=float(self.target_duration), descriptor=None)
            for sequence in range(max(first, until - WINDOW_SEGMENTS), until)
        )

    def _begin_anew(self) -> list[Entry]:
        left = [entry for rendition in self.renditions.values() for entry in rendition.entries]
        self.renditions = {}
        self.ended = False
        return left

    def _maps(self) -> set[tuple[int, str]]:
        """Variant and name of the initialization sections that the windows need."""
        return {
            (number, entry.map_name)
            for number, rendition in self.renditions.items()
            for entry in rendition.entries
            if entry.map_name is not None
        }

    def _expire(self, keys: list[str], now: float) -> None:
        at = now + WINDOW_SEGMENTS * self.target_duration + OBJECT_GRACE_S
        self.expired += [Expired(key, at) for key in keys]

    def _forget_streams(self) -> None:
        """Drop the streams that no window reaches back to; the newest always stays."""
        oldest = min(r.entries[0].sequence for r in self.renditions.values() if r.entries)
        needed = [i for i, base in enumerate(self.streams) if base.start <= oldest]
        self.streams = self.streams[needed[-1] if needed else 0 :]


def object_key(descriptor: Descriptor) -> str:
    """Return the key of a published segment."""
    return key_of(descriptor.variant, descriptor.name)


def key_of(variant: int, name: str) -> str:
    """Return a segment's key in the bucket: `live/<variant>/<Owncast's file name>`."""
    return f"live/{variant}/{name}"

"""The station's timeline: which segment has which media sequence, and what is published.

Owncast numbers the segments of each stream from 0; our media sequence never goes back. Each stream
gets a base, the same for all variants: media sequence = base + segment index. A number that a
variant lacks becomes an EXT-X-GAP. Plain state and rules, no I/O; `state.py` keeps it on disk.

Commands change the timeline. Queries change nothing, so that anybody may ask at any time: only the
pipeline opens a stream, when Owncast lists it.
"""

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from shoal.segments import Descriptor

WINDOW_SEGMENTS = 60
LATE_SEGMENTS = 3
"""a variant this far behind the newest one has lost the segments it lacks: gaps take their place"""
OBJECT_GRACE_S = 60.0
"""objects outlive the window by its duration and this, for players that lag behind"""


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a variant's playlist: a segment, or a gap (descriptor is None)."""

    sequence: int
    duration: float
    """seconds"""
    descriptor: Descriptor | None
    init_name: str | None = msgspec.field(default=None, name="map_name")
    """object in the same folder that holds its init section (fMP4 only)"""
    stored: bool = True
    """whether the store has it; false: published from the seed while the store failed"""


class StreamStart(msgspec.Struct, frozen=True, kw_only=True):
    """Where one of Owncast's streams begins in our media sequence."""

    stream: str
    base: int
    """media sequence of its segment index 0; may be negative if we joined it midway"""
    first_seen: int = msgspec.field(name="start")
    """media sequence of the first segment that we saw of it"""
    discontinuities: int
    """streams before it: the Discontinuity Sequence Number of its segments"""


class ExpiredObject(msgspec.Struct, frozen=True):
    """An object that is no longer needed from `at` on (Unix time, seconds)."""

    key: str
    at: float


class VariantWindow(msgspec.Struct, kw_only=True):
    """The published window of one variant, oldest first, without a missing media sequence."""

    entries: list[TimelineEntry] = msgspec.field(default_factory=list[TimelineEntry])

    @property
    def last_sequence(self) -> int | None:
        """The newest media sequence, None before the first."""
        return self.entries[-1].sequence if self.entries else None

    def descriptors(self, after: int = -1) -> tuple[Descriptor, ...]:
        """Return the segments with a media sequence above `after`, oldest first, without gaps."""
        return tuple(
            entry.descriptor
            for entry in self.entries
            if entry.descriptor is not None and entry.sequence > after
        )


class Timeline(msgspec.Struct, kw_only=True, dict=True):
    """All that must survive a restart."""

    target_duration: int = 0
    """seconds; 0 before the first segment"""
    next_sequence: int = 0
    """above every media sequence assigned so far, in any variant"""
    next_discontinuity: int = 0
    """Discontinuity Sequence Number of the next stream"""
    published: int = 0
    """number of segments published since the station was set up"""
    ended: bool = False
    """whether the playlists have an EXT-X-ENDLIST; the next stream starts new ones"""
    streams: list[StreamStart] = msgspec.field(default_factory=list[StreamStart])
    """oldest first; those that a window still needs, and the newest"""
    windows: dict[int, VariantWindow] = msgspec.field(
        default_factory=dict[int, VariantWindow], name="renditions"
    )
    """by variant"""
    expired: list[ExpiredObject] = msgspec.field(default_factory=list[ExpiredObject])
    """objects to delete, the next one first"""

    # --- queries ---

    @property
    def version(self) -> int:
        """A number that rises with everything that viewers can see; it begins with each process."""
        return vars(self).get("version", 0)

    @property
    def newest_stream(self) -> str | None:
        """Owncast's id of the newest stream, None before the first."""
        return self.streams[-1].stream if self.streams else None

    def sequence_of(self, stream: str, index: int) -> int | None:
        """Return the media sequence of a segment; None for a stream that is not known any more."""
        start = next((start for start in reversed(self.streams) if start.stream == stream), None)
        return None if start is None else start.base + index

    def is_due(self, variant: int, sequence: int) -> bool:
        """Return whether `sequence` may still be published: it is above all that the variant has.

        A variant that is not in the playlists, or no longer, may join at the newest segments of the
        other ones.
        """
        window = self.windows.get(variant)
        last = window.last_sequence if window else None
        if last is None:
            newest = [w.last_sequence for w in self.windows.values()]
            last = max((n for n in newest if n is not None), default=-1) - LATE_SEGMENTS - 1
        return sequence > max(last, -1)

    def is_discontinuity(self, sequence: int) -> bool:
        """Return whether EXT-X-DISCONTINUITY precedes `sequence`; the same in all variants."""
        return any(
            start.first_seen == sequence and start.discontinuities > 0 for start in self.streams
        )

    def discontinuity_sequence(self, window: VariantWindow) -> int:
        """Return EXT-X-DISCONTINUITY-SEQUENCE of a window (RFC 8216, section 4.3.3.3)."""
        if not window.entries:
            return 0
        first = window.entries[0].sequence
        started = [start.discontinuities for start in self.streams if start.first_seen <= first]
        number = started[-1] if started else 0
        return number - 1 if self.is_discontinuity(first) else number

    def descriptors(self) -> list[Descriptor]:
        """Return the published segments of all variants."""
        return [
            descriptor for window in self.windows.values() for descriptor in window.descriptors()
        ]

    def expired_keys(self, now: float) -> list[str]:
        """Return the keys of the objects to delete at `now` (Unix time, seconds)."""
        return [expired.key for expired in self.expired if expired.at <= now]

    # --- commands ---

    def open_stream(self, stream: str, index: int) -> None:
        """Begin a stream; `index` is the first segment that we saw of it."""
        self.streams.append(
            StreamStart(
                stream=stream,
                base=self.next_sequence - index,
                first_seen=self.next_sequence,
                discontinuities=self.next_discontinuity,
            )
        )
        self.next_discontinuity += 1

    def assign(self, stream: str, index: int) -> int:
        """Reserve a segment's media sequence and return it.

        Raises ValueError when the stream was never opened, or forgotten since.
        """
        sequence = self.sequence_of(stream, index)
        if sequence is None:
            raise ValueError(f"stream {stream} is not open")
        self.next_sequence = max(self.next_sequence, sequence + 1)
        return sequence

    def append(
        self, entry: TimelineEntry, now: float, listed: Collection[int] = ()
    ) -> list[TimelineEntry]:
        """Append a segment, with gaps for the media sequences that variants lack before it.

        `now` is Unix time, in seconds; `listed` are the variants in Owncast's multivariant
        playlist, if it is known: a variant that is no longer listed is removed together with the
        stream that had it. Returns the entries that left the windows. Raises ValueError when the
        media sequence is not above the variant's last.
        """
        descriptor = entry.descriptor
        if descriptor is None or not self.is_due(descriptor.variant, entry.sequence):
            raise ValueError(f"media sequence {entry.sequence} is in the past or a gap")
        init_sections = self._init_sections()
        removed = self._reset_windows() if self.ended else []
        # not Owncast's own target duration: its offline clip raises that to 9 s
        self.target_duration = max(self.target_duration, int(entry.duration + 0.5))
        window = self.windows.setdefault(descriptor.variant, VariantWindow())
        self._fill_gaps(window, entry.sequence)
        window.entries.append(entry)
        self.published += 1
        self._raise_version()
        # an earlier run may have given it up
        self.forget_deleted([object_key(descriptor)])
        stream_start = self.streams[-1].first_seen if self.streams else 0
        for number, other in list(self.windows.items()):
            if listed and number not in listed and (other.last_sequence or 0) < stream_start:
                removed += self.windows.pop(number).entries
                continue
            if other is not window and other.last_sequence is not None:
                self._fill_gaps(other, entry.sequence - LATE_SEGMENTS)
            removed += other.entries[:-WINDOW_SEGMENTS]
            other.entries = other.entries[-WINDOW_SEGMENTS:]
            if not other.descriptors():
                del self.windows[number]  # it stopped a whole window ago
        self._drop_old_streams()
        self._expire([object_key(e.descriptor) for e in removed if e.descriptor is not None], now)
        self._expire([live_key(*name) for name in init_sections - self._init_sections()], now)
        return removed

    def mark_stored(self, variant: int, name: str) -> None:
        """Note that the store has a segment that was published without it."""
        window = self.windows.get(variant, VariantWindow())
        for position, entry in enumerate(window.entries):
            descriptor = entry.descriptor
            if descriptor is not None and descriptor.name == name and not entry.stored:
                descriptor = replace(descriptor, stored=True)
                window.entries[position] = replace(entry, stored=True, descriptor=descriptor)
                self._raise_version()

    def end(self) -> None:
        """End the playlists: whatever follows goes into new ones."""
        self.ended = True
        self._raise_version()

    def expire_now(self, variant: int, name: str) -> None:
        """Have the object of a segment that will not be published deleted, if there is one."""
        self.expired.append(ExpiredObject(live_key(variant, name), 0))

    def forget_deleted(self, keys: list[str]) -> None:
        """Forget objects that have been deleted from the store."""
        deleted = set(keys)
        self.expired = [expired for expired in self.expired if expired.key not in deleted]

    def _raise_version(self) -> None:
        # not a field: it would be saved
        vars(self)["version"] = self.version + 1

    def _fill_gaps(self, window: VariantWindow, until: int) -> None:
        """Append gaps up to `until`, exclusive; of a long run only what a window can show."""
        last = window.last_sequence
        first = until if last is None else last + 1
        window.entries.extend(
            TimelineEntry(sequence=sequence, duration=float(self.target_duration), descriptor=None)
            for sequence in range(max(first, until - WINDOW_SEGMENTS), until)
        )

    def _reset_windows(self) -> list[TimelineEntry]:
        removed = [entry for window in self.windows.values() for entry in window.entries]
        self.windows = {}
        self.ended = False
        return removed

    def _init_sections(self) -> set[tuple[int, str]]:
        """Variant and name of the init sections that the windows need."""
        return {
            (number, entry.init_name)
            for number, window in self.windows.items()
            for entry in window.entries
            if entry.init_name is not None
        }

    def _expire(self, keys: list[str], now: float) -> None:
        at = now + WINDOW_SEGMENTS * self.target_duration + OBJECT_GRACE_S
        self.expired += [ExpiredObject(key, at) for key in keys]

    def _drop_old_streams(self) -> None:
        """Drop the streams that no window reaches back to; the newest always stays."""
        oldest = min(w.entries[0].sequence for w in self.windows.values() if w.entries)
        needed = [i for i, start in enumerate(self.streams) if start.first_seen <= oldest]
        self.streams = self.streams[needed[-1] if needed else 0 :]


def object_key(descriptor: Descriptor) -> str:
    """Return the key of a published segment."""
    return live_key(descriptor.variant, descriptor.name)


def live_key(variant: int, name: str) -> str:
    """Return a segment's key in the bucket: `live/<variant>/<Owncast's file name>`."""
    return f"live/{variant}/{name}"

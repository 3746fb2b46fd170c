"""What the broadcaster has announced so far: the stream, the newest segments, and replays."""

from collections import deque
from collections.abc import Collection, Mapping

from shoal.announcements import (
    FromBroadcaster,
    KeptReplay,
    Replays,
    Resume,
    Segment,
    Stream,
    Swarms,
)
from shoal.segments import Descriptor

RECENT_SEGMENTS = 6
"""segments kept of each variant for new viewers: enough to start playing"""


class BroadcastState:
    """The state of the broadcast. Nothing is announced to viewers twice."""

    def __init__(self) -> None:
        self.stream = Stream(stream=None, live=False)
        self.chunks = 0
        self.replays: Mapping[str, KeptReplay] = {}
        """by id"""
        self._recent: dict[int, deque[Descriptor]] = {}

    def set_stream(self, stream: Stream) -> bool:
        """Set what is on air; return whether it changed."""
        if stream == self.stream:
            return False
        self.stream = stream
        return True

    def publish(self, descriptor: Descriptor) -> bool:
        """Add a segment; return False for a sequence that is repeated or older than the newest."""
        recent = self._recent.setdefault(descriptor.variant, deque(maxlen=RECENT_SEGMENTS))
        if recent and descriptor.sequence <= recent[-1].sequence:
            return False
        recent.append(descriptor)
        self.chunks += 1
        return True

    def set_replays(self, replays: Collection[KeptReplay]) -> None:
        """Set the replays that viewers can watch."""
        self.replays = {replay.id: replay for replay in replays}

    def recent(self, variant: int) -> tuple[Descriptor, ...]:
        """Return the newest segments of a variant, oldest first."""
        return tuple(self._recent.get(variant, ()))

    def announcements(
        self, swarms: Collection[str], torrents: Collection[str]
    ) -> list[FromBroadcaster]:
        """Return announcements that restore this state, and that of the tracker."""
        segments = [Segment(d) for recent in self._recent.values() for d in recent]
        kept = Replays(tuple(self.replays.values()))
        return [self.stream, Swarms(tuple(swarms), tuple(torrents)), kept, *segments]

    def resume(self) -> Resume:
        """Return what a broadcaster needs to continue: the newest sequence of each variant."""
        return Resume({variant: recent[-1].sequence for variant, recent in self._recent.items()})

"""What the broadcaster has announced: the stream on air, the newest segments, and replays."""

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
"""kept of each rendition, for newcomers: what a player needs to start"""


class BroadcastState:
    """The station's programme. What was announced once is never announced again."""

    def __init__(self) -> None:
        self.stream = Stream(stream=None, live=False)
        self.chunks = 0
        self.replays: Mapping[str, KeptReplay] = {}
        """by id"""
        self._recent: dict[int, deque[Descriptor]] = {}

    def set_stream(self, stream: Stream) -> bool:
        """Take what is on air; say whether that is news."""
        if stream == self.stream:
            return False
        self.stream = stream
        return True

    def publish(self, descriptor: Descriptor) -> bool:
        """Take a segment; say whether it is news, not a repeated or older sequence."""
        recent = self._recent.setdefault(descriptor.variant, deque(maxlen=RECENT_SEGMENTS))
        if recent and descriptor.sequence <= recent[-1].sequence:
            return False
        recent.append(descriptor)
        self.chunks += 1
        return True

    def set_replays(self, replays: Collection[KeptReplay]) -> None:
        """Take the replays that there are."""
        self.replays = {replay.id: replay for replay in replays}

    def recent(self, variant: int) -> tuple[Descriptor, ...]:
        """Return the last segments of a rendition, oldest first."""
        return tuple(self._recent.get(variant, ()))

    def announcements(
        self, swarms: Collection[str], torrents: Collection[str]
    ) -> list[FromBroadcaster]:
        """Return all that was announced and still counts, with what the tracker is to serve."""
        segments = [Segment(d) for recent in self._recent.values() for d in recent]
        kept = Replays(tuple(self.replays.values()))
        return [self.stream, Swarms(tuple(swarms), tuple(torrents)), kept, *segments]

    def resume(self) -> Resume:
        """Return what a broadcaster must know to go on: the newest sequence by rendition."""
        return Resume({variant: recent[-1].sequence for variant, recent in self._recent.items()})

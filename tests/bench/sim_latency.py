"""The target latency of a viewer of `make sim`: player/src/hls/latency.ts in Python. No I/O."""

from collections import deque

INITIAL_COMPLETION_S = 1.0
"""until it has been measured"""
MAX_SEGMENTS = 4
SPARE_SEGMENTS = 0.6
MAX_SPARE_SEGMENTS = 0.9
"""limit for the completion time and the spare time together"""
MIN_LATENCY_CHANGE_S = 0.25
"""smaller changes are ignored"""
MAX_DEADLINE_S = 1.6
"""how long before its buffer is empty a viewer asks the store, not counting the store's time"""
DEADLINE_SEGMENTS = 0.65
"""the same for short segments, in segment durations"""
PEER_DEADLINE_SEGMENTS = 0.95
"""how long a viewer waits for a room whose uplinks are short, in segment durations"""
MAX_COMPLETIONS = 6


class TargetLatency:
    """The target latency of one viewer, seconds."""

    __slots__ = ("_completions", "_segment_s", "deadline_s", "seconds")

    def __init__(self, segment_s: float) -> None:
        self._segment_s = segment_s
        self.deadline_s = min(MAX_DEADLINE_S, DEADLINE_SEGMENTS * segment_s)
        self._completions = deque[float](maxlen=MAX_COMPLETIONS)
        self.seconds = self._latency(INITIAL_COMPLETION_S)

    def completed(self, after_s: float) -> None:
        """Note how long after its announcement a segment was complete."""
        self._completions.append(after_s)
        latency_s = self._latency(max(self._completions))
        if abs(latency_s - self.seconds) >= MIN_LATENCY_CHANGE_S:
            self.seconds = latency_s

    def needed_in_s(self) -> float:
        """Return in how many seconds a segment must be here that the player learns of now."""
        return self.seconds - self._segment_s

    def _latency(self, completion_s: float) -> float:
        segment_s = self._segment_s
        spare_s = min(completion_s + SPARE_SEGMENTS * segment_s, MAX_SPARE_SEGMENTS * segment_s)
        latency_s = segment_s + self.deadline_s + max(completion_s, spare_s)
        return min(MAX_SEGMENTS * segment_s, latency_s)

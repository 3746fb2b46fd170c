"""How far behind live a viewer of `make sim` plays: player/src/hls/latency.ts in Python. No I/O."""

from collections import deque

INITIAL_COMPLETION_S = 1.0
"""until it was measured"""
MAX_SEGMENTS = 4
SPARE_SEGMENTS = 0.6
MAX_SPARE_SEGMENTS = 0.9
"""what the room needs, and what is to spare, are together no more"""
MIN_CHANGE_S = 0.25
"""a delay that differs by less stays as it is"""
MAX_DEADLINE_S = 1.6
"""the player must have a segment this long before it runs dry, whatever the store takes"""
DEADLINE_SEGMENTS = 0.65
"""of short segments this part of their length"""
SHORT_PATIENCE = 0.95
"""a room whose uplinks are short is waited for so long, in lengths of the segment"""
MAX_COMPLETIONS = 6


class Delay:
    """The delay of one viewer, seconds."""

    __slots__ = ("_completions", "_segment_s", "deadline_s", "seconds")

    def __init__(self, segment_s: float) -> None:
        self._segment_s = segment_s
        self.deadline_s = min(MAX_DEADLINE_S, DEADLINE_SEGMENTS * segment_s)
        self._completions = deque[float](maxlen=MAX_COMPLETIONS)
        self.seconds = self._after(INITIAL_COMPLETION_S)

    def completed(self, after_s: float) -> None:
        """Note that a segment was whole so long after its announcement."""
        self._completions.append(after_s)
        delay = self._after(max(self._completions))
        if abs(delay - self.seconds) >= MIN_CHANGE_S:
            self.seconds = delay

    def needed_in_s(self) -> float:
        """Return when a segment must be there that the player hears of now."""
        return self.seconds - self._segment_s

    def _after(self, completion_s: float) -> float:
        segment_s = self._segment_s
        spare_s = min(completion_s + SPARE_SEGMENTS * segment_s, MAX_SPARE_SEGMENTS * segment_s)
        delay = segment_s + self.deadline_s + max(completion_s, spare_s)
        return min(MAX_SEGMENTS * segment_s, delay)

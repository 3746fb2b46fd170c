"""A token bucket: limits a rate and a burst. Plain state, no clock, no I/O."""


class TokenBucket:
    """Holds at most `capacity` tokens and gains `rate_per_s` of them each second.

    Callers pass the time, in seconds of a clock that never goes back. The bucket starts full.
    """

    __slots__ = ("_at_s", "_capacity", "_left", "_rate_per_s")

    def __init__(self, rate_per_s: float, capacity: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._capacity = capacity
        self._left = capacity
        self._at_s = now_s

    def take(self, now_s: float, amount: float = 1.0) -> bool:
        """Use `amount` tokens; return False, and use none, when fewer are left."""
        self._refill(now_s)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def spend(self, now_s: float, amount: float) -> float:
        """Deduct `amount` tokens that were used already; return the rest, which may be negative."""
        self._refill(now_s)
        self._left -= amount
        return self._left

    def _refill(self, now_s: float) -> None:
        gained = (now_s - self._at_s) * self._rate_per_s
        self._left = min(self._capacity, self._left + gained)
        self._at_s = now_s

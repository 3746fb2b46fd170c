"""Keeps uploads within a budget on average. Plain state, no I/O."""

from shoal.token_bucket import TokenBucket

BURST_S = 5.0
"""what may be uploaded at once, in seconds of the budget"""
RECOVERED = 0.5
"""the share of a burst that must be left before the limit is lifted"""


class UploadBudget:
    """A token bucket that says when libtorrent must limit its rate.

    The limit does not stand all the time because libtorrent's limiter hands bytes out tick by tick:
    with it a segment took a browser 1.7 s in place of 0.5 s, however high the limit.
    """

    def __init__(self, bytes_per_s: float, now_s: float) -> None:
        """Begin with a whole burst; `now_s` is a monotonic clock."""
        self.bytes_per_s = bytes_per_s
        self.limited = False
        """whether the rate must be limited to `bytes_per_s`"""
        self._bucket = TokenBucket(bytes_per_s, bytes_per_s * BURST_S, now_s)

    def take(self, size: int, now_s: float) -> None:
        """Note that `size` bytes were uploaded; call it now and then with 0 while limited."""
        left = self._bucket.spend(now_s, size)
        if left <= 0:
            self.limited = True
        elif left >= self.bytes_per_s * BURST_S * RECOVERED:
            self.limited = False

"""Growing delays between attempts to reconnect.

To retry a single call, use stamina; this is for loops whose delay starts over once a connection has
been established.
"""

import asyncio
import random

GROWTH = 2.0
MIN_JITTER = 0.5
"""each pause is between this fraction of the current delay and all of it, so that clients that
failed together do not return together"""


class Backoff:
    """Pauses that double from `first_s` up to `max_s`."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._delay_s = first_s

    def reset(self) -> None:
        """Start over with the first delay: an attempt succeeded."""
        self._delay_s = self._first_s

    def next_s(self) -> float:
        """Return the next pause in seconds, jitter included."""
        delay_s = self._delay_s
        self._delay_s = min(self._max_s, delay_s * GROWTH)
        return delay_s * random.uniform(MIN_JITTER, 1)

    async def wait(self) -> None:
        """Sleep for the next pause."""
        await asyncio.sleep(self.next_s())

"""Limits by client address: how many sockets, how many messages, and who is banned for a while.

Plain: times go in, verdicts come out. Times are seconds of a clock that never goes back.
"""

from dataclasses import dataclass

from shoal.signaling.access import Refusal
from shoal.token_bucket import TokenBucket

BURST_S = 10.0
"""messages of so many seconds may come at once"""
ADDRESS_FACTOR = 10
"""an address may send so many times what one of its connections may: many viewers share one"""
FORGET_AFTER_S = BURST_S
"""an address that has left is known for so long: then it may send a whole burst anyway"""
BAN_S = 300.0
"""for so long nobody comes in from an address whose viewer was expelled"""


def message_bucket(rate_per_s: float, now_s: float) -> TokenBucket:
    """Return a bucket of messages that lets `BURST_S` seconds' worth of them come at once."""
    return TokenBucket(rate_per_s, rate_per_s * BURST_S, now_s)


class Quota:
    """One socket of one address."""

    __slots__ = ("_address", "_limits", "_own", "_shared")

    def __init__(self, limits: "ConnectionLimits", address: str, now_s: float) -> None:
        self._limits = limits
        self._address = address
        self._own = message_bucket(limits.messages_per_s, now_s)
        self._shared = self._own
        """what all sockets of the address may send together, once this one counts"""

    def count(self, now_s: float) -> None:
        """Count the socket."""
        self._shared = self._limits.add_socket(self._address, now_s)

    def take_message(self, now_s: float) -> bool:
        """Use up a message of what the socket and its address may send."""
        return self._own.take(now_s) and self._shared.take(now_s)

    def release(self, now_s: float) -> None:
        """Count the socket no more."""
        self._limits.remove_socket(self._address, now_s)


@dataclass
class _AddressUsage:
    messages: TokenBucket
    sockets: int = 0


class ConnectionLimits:
    """The addresses that are connected, or were lately: coming again makes nobody new."""

    def __init__(self, max_sockets: int, messages_per_s: float) -> None:
        """Allow an address so many sockets, and each of them so many messages."""
        self.messages_per_s = messages_per_s
        self._max_sockets = max_sockets
        self._usage: dict[str, _AddressUsage] = {}
        self._idle_since: dict[str, float] = {}
        """when those without a socket had their last one, in that order"""

    def __len__(self) -> int:
        return len(self._usage)

    def quota_for(self, address: str, now_s: float) -> Quota | Refusal:
        """Let an address have another socket, or say why not."""
        self._forget_idle(now_s)
        usage = self._usage.get(address)
        if usage is not None and usage.sockets >= self._max_sockets:
            return Refusal(
                429, "too_many_sockets", f"{self._max_sockets} sockets of one address are the most"
            )
        if usage is not None and not usage.messages.take(now_s):
            return Refusal(429, "too_many_messages", "too much comes from this address")
        return Quota(self, address, now_s)

    def add_socket(self, address: str, now_s: float) -> TokenBucket:
        """Count a socket; return what all of its address may send together."""
        usage = self._usage.get(address)
        if usage is None:
            message_bucket_of_address = message_bucket(self.messages_per_s * ADDRESS_FACTOR, now_s)
            usage = self._usage[address] = _AddressUsage(message_bucket_of_address)
        self._idle_since.pop(address, None)
        usage.sockets += 1
        return usage.messages

    def remove_socket(self, address: str, now_s: float) -> None:
        """Take a socket off the count."""
        usage = self._usage[address]
        usage.sockets -= 1
        if not usage.sockets:
            self._idle_since[address] = now_s

    def _forget_idle(self, now_s: float) -> None:
        """Forget who left long ago."""
        while self._idle_since:
            first = next(iter(self._idle_since))
            if now_s - self._idle_since[first] < FORGET_AFTER_S:
                return
            del self._idle_since[first], self._usage[first]


class BanList:
    """Addresses from which nobody may come in for a while. Times are seconds that only rise."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, address: str, now: float) -> None:
        """Bar an address from now on."""
        self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[address] = now + BAN_S

    def remaining_s(self, address: str, now: float) -> float:
        """Return how long an address is still barred; 0 for one that is not."""
        return max(0.0, self._until.get(address, now) - now)

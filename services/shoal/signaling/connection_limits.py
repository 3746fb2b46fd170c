"""Limits by client address: sockets, messages, and bans.

Plain: times go in, verdicts come out. Times are seconds of a monotonic clock.
"""

from dataclasses import dataclass

from shoal.signaling.access import Refusal
from shoal.token_bucket import TokenBucket

BURST_S = 10.0
"""seconds' worth of messages that may arrive at once"""
ADDRESS_FACTOR = 10
"""an address may send this many times what one of its connections may: many viewers can share
one"""
FORGET_AFTER_S = BURST_S
"""an address without sockets is forgotten after this time: it could send a full burst again
anyway"""
BAN_S = 300.0
"""how long an address is banned after one of its viewers was expelled"""


def message_bucket(rate_per_s: float, now_s: float) -> TokenBucket:
    """Return a bucket of messages that allows `BURST_S` seconds' worth of them at once."""
    return TokenBucket(rate_per_s, rate_per_s * BURST_S, now_s)


class Quota:
    """What one socket may send, itself and together with the other sockets of its address."""

    __slots__ = ("_address", "_limits", "_own", "_shared")

    def __init__(self, limits: "ConnectionLimits", address: str, now_s: float) -> None:
        self._limits = limits
        self._address = address
        self._own = message_bucket(limits.messages_per_s, now_s)
        self._shared = self._own
        """what all sockets of the address may send together; its own until it is counted"""

    def count(self, now_s: float) -> None:
        """Count the socket for its address."""
        self._shared = self._limits.add_socket(self._address, now_s)

    def take_message(self, now_s: float) -> bool:
        """Count a message against the socket and its address; return False beyond their limits."""
        return self._own.take(now_s) and self._shared.take(now_s)

    def release(self, now_s: float) -> None:
        """Stop counting the socket."""
        self._limits.remove_socket(self._address, now_s)


@dataclass
class _AddressUsage:
    messages: TokenBucket
    sockets: int = 0


class ConnectionLimits:
    """Addresses that are connected, or were lately, so that reconnecting does not reset a limit."""

    def __init__(self, max_sockets: int, messages_per_s: float) -> None:
        """Allow each address `max_sockets`, and each socket `messages_per_s`."""
        self.messages_per_s = messages_per_s
        self._max_sockets = max_sockets
        self._usage: dict[str, _AddressUsage] = {}
        self._idle_since: dict[str, float] = {}
        """when addresses without a socket closed their last one, oldest first"""

    def __len__(self) -> int:
        return len(self._usage)

    def quota_for(self, address: str, now_s: float) -> Quota | Refusal:
        """Return the quota of another socket of an address, or why it may not have one."""
        self._forget_idle(now_s)
        usage = self._usage.get(address)
        if usage is not None and usage.sockets >= self._max_sockets:
            return Refusal(
                429, "too_many_sockets", f"an address may have at most {self._max_sockets} sockets"
            )
        if usage is not None and not usage.messages.take(now_s):
            return Refusal(429, "too_many_messages", "too many messages from this address")
        return Quota(self, address, now_s)

    def add_socket(self, address: str, now_s: float) -> TokenBucket:
        """Count a socket; return the limit that its address's sockets share."""
        usage = self._usage.get(address)
        if usage is None:
            messages = message_bucket(self.messages_per_s * ADDRESS_FACTOR, now_s)
            usage = self._usage[address] = _AddressUsage(messages)
        self._idle_since.pop(address, None)
        usage.sockets += 1
        return usage.messages

    def remove_socket(self, address: str, now_s: float) -> None:
        """Stop counting a socket."""
        usage = self._usage[address]
        usage.sockets -= 1
        if not usage.sockets:
            self._idle_since[address] = now_s

    def _forget_idle(self, now_s: float) -> None:
        """Forget addresses that have long been without a socket."""
        while self._idle_since:
            first = next(iter(self._idle_since))
            if now_s - self._idle_since[first] < FORGET_AFTER_S:
                return
            del self._idle_since[first], self._usage[first]


class BanList:
    """Addresses that may not join for a while. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, address: str, now: float) -> None:
        """Ban an address for BAN_S from now on."""
        self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[address] = now + BAN_S

    def remaining_s(self, address: str, now: float) -> float:
        """Return how many seconds an address is still banned; 0 if it is not."""
        return max(0.0, self._until.get(address, now) - now)

"""Limits by client address, without sockets."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.signaling.access import Refusal
from shoal.signaling.connection_limits import (
    ADDRESS_FACTOR,
    BAN_S,
    BURST_S,
    FORGET_AFTER_S,
    BanList,
    ConnectionLimits,
    Quota,
)


def connect(limits: ConnectionLimits, address: str, now: float) -> Quota:
    quota = limits.quota_for(address, now)
    assert isinstance(quota, Quota)
    quota.count(now)
    return quota


def test_each_address_has_its_own_limit_of_sockets() -> None:
    limits = ConnectionLimits(max_sockets=2, messages_per_s=10)
    first, _ = connect(limits, "a", 0.0), connect(limits, "a", 0.0)
    refusal = limits.quota_for("a", 0.0)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (429, "too_many_sockets")
    connect(limits, "b", 0.0)
    first.release(1.0)
    connect(limits, "a", 1.0)
    assert isinstance(limits.quota_for("a", 1.0), Refusal)


def test_an_unfinished_handshake_does_not_count() -> None:
    limits = ConnectionLimits(max_sockets=1, messages_per_s=10)
    for _ in range(5):
        assert isinstance(limits.quota_for("a", 0.0), Quota)
    assert len(limits) == 0


def test_the_sockets_of_an_address_share_its_message_limit() -> None:
    limits = ConnectionLimits(max_sockets=100, messages_per_s=1)
    quotas = [connect(limits, "a", 0.0) for _ in range(2 * ADDRESS_FACTOR)]
    allowed = sum(quota.take_message(0.0) for quota in quotas for _ in range(100))
    charged = len(quotas) - 1  # the first socket found no address to charge
    assert allowed == ADDRESS_FACTOR * BURST_S - charged
    assert connect(limits, "b", 0.0).take_message(0.0)


def test_reconnecting_does_not_reset_the_limit() -> None:
    limits = ConnectionLimits(max_sockets=100, messages_per_s=1)
    allowed, refused = 0, 0
    for number in range(200):
        now = number * 0.01
        quota = limits.quota_for("a", now)
        if isinstance(quota, Refusal):
            assert (quota.status, quota.code) == (429, "too_many_messages")
            refused += 1
            continue
        quota.count(now)
        allowed += sum(quota.take_message(now) for _ in range(100))
        quota.release(now)
    assert allowed <= ADDRESS_FACTOR * (BURST_S + 2)
    assert refused > 100
    assert isinstance(limits.quota_for("a", 2.0 + FORGET_AFTER_S), Quota)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.floats(0, 5)), max_size=100))
def test_idle_addresses_are_forgotten_and_the_count_is_right(
    events: list[tuple[bool, int, float]],
) -> None:
    limits, now = ConnectionLimits(max_sockets=3, messages_per_s=1_000), 0.0
    open_quotas: dict[str, list[Quota]] = {}
    for connects, number, step in events:
        now += step
        address = str(number)
        own = open_quotas.setdefault(address, [])
        if connects:
            quota = limits.quota_for(address, now)
            assert isinstance(quota, Refusal) == (len(own) >= 3)
            if isinstance(quota, Quota):
                quota.count(now)
                own.append(quota)
        elif own:
            own.pop().release(now)
    for own in open_quotas.values():
        while own:
            own.pop().release(now)
    limits.quota_for("somebody", now + FORGET_AFTER_S + 1)
    assert len(limits) == 0


def test_an_address_is_banned_for_a_while() -> None:
    bans = BanList()
    assert bans.remaining_s("10.0.0.1", 100.0) == 0
    bans.add("10.0.0.1", 100.0)
    assert bans.remaining_s("10.0.0.1", 100.0) == BAN_S
    assert bans.remaining_s("10.0.0.1", 160.0) == BAN_S - 60
    assert bans.remaining_s("10.0.0.1", 100.0 + BAN_S) == 0
    assert bans.remaining_s("10.0.0.2", 100.0) == 0


def test_banned_addresses_are_forgotten_in_time() -> None:
    bans = BanList()
    for number in range(1_000):
        bans.add(str(number), now=number)
    assert sum(bans.remaining_s(str(number), 999) > 0 for number in range(1_000)) == BAN_S
    assert len(vars(bans)["_until"]) <= BAN_S + 1

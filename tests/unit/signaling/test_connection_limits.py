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


def come(visitors: ConnectionLimits, address: str, now: float) -> Quota:
    visit = visitors.quota_for(address, now)
    assert isinstance(visit, Quota)
    visit.count(now)
    return visit


def test_an_address_has_so_many_sockets_and_another_one_its_own() -> None:
    visitors = ConnectionLimits(max_sockets=2, messages_per_s=10)
    first, _ = come(visitors, "a", 0.0), come(visitors, "a", 0.0)
    refusal = visitors.quota_for("a", 0.0)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (429, "too_many_sockets")
    come(visitors, "b", 0.0)
    first.release(1.0)
    come(visitors, "a", 1.0)
    assert isinstance(visitors.quota_for("a", 1.0), Refusal)


def test_a_handshake_that_comes_to_nothing_counts_for_nothing() -> None:
    visitors = ConnectionLimits(max_sockets=1, messages_per_s=10)
    for _ in range(5):
        assert isinstance(visitors.quota_for("a", 0.0), Quota)
    assert len(visitors) == 0


def test_the_sockets_of_an_address_share_what_it_may_say() -> None:
    visitors = ConnectionLimits(max_sockets=100, messages_per_s=1)
    visits = [come(visitors, "a", 0.0) for _ in range(2 * ADDRESS_FACTOR)]
    said = sum(visit.take_message(0.0) for visit in visits for _ in range(100))
    came = len(visits) - 1  # the first one found nobody to charge
    assert said == ADDRESS_FACTOR * BURST_S - came
    assert come(visitors, "b", 0.0).take_message(0.0)


def test_coming_again_and_again_gets_no_new_allowance() -> None:
    visitors = ConnectionLimits(max_sockets=100, messages_per_s=1)
    said, refused = 0, 0
    for number in range(200):
        now = number * 0.01
        visit = visitors.quota_for("a", now)
        if isinstance(visit, Refusal):
            assert (visit.status, visit.code) == (429, "too_many_messages")
            refused += 1
            continue
        visit.count(now)
        said += sum(visit.take_message(now) for _ in range(100))
        visit.release(now)
    assert said <= ADDRESS_FACTOR * (BURST_S + 2)
    assert refused > 100
    assert isinstance(visitors.quota_for("a", 2.0 + FORGET_AFTER_S), Quota)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.floats(0, 5)), max_size=100))
def test_who_left_is_forgotten_and_the_count_is_right(
    events: list[tuple[bool, int, float]],
) -> None:
    visitors, now = ConnectionLimits(max_sockets=3, messages_per_s=1_000), 0.0
    inside: dict[str, list[Quota]] = {}
    for comes, number, step in events:
        now += step
        address = str(number)
        here = inside.setdefault(address, [])
        if comes:
            visit = visitors.quota_for(address, now)
            assert isinstance(visit, Refusal) == (len(here) >= 3)
            if isinstance(visit, Quota):
                visit.count(now)
                here.append(visit)
        elif here:
            here.pop().release(now)
    for here in inside.values():
        while here:
            here.pop().release(now)
    visitors.quota_for("somebody", now + FORGET_AFTER_S + 1)
    assert len(visitors) == 0


def test_an_address_is_barred_for_a_while() -> None:
    barred = BanList()
    assert barred.remaining_s("10.0.0.1", 100.0) == 0
    barred.add("10.0.0.1", 100.0)
    assert barred.remaining_s("10.0.0.1", 100.0) == BAN_S
    assert barred.remaining_s("10.0.0.1", 160.0) == BAN_S - 60
    assert barred.remaining_s("10.0.0.1", 100.0 + BAN_S) == 0
    assert barred.remaining_s("10.0.0.2", 100.0) == 0


def test_barred_addresses_are_forgotten_in_time() -> None:
    barred = BanList()
    for number in range(1_000):
        barred.add(str(number), now=number)
    assert sum(barred.remaining_s(str(number), 999) > 0 for number in range(1_000)) == BAN_S
    assert len(vars(barred)["_until"]) <= BAN_S + 1

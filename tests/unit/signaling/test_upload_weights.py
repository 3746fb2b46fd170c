import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.announcements import Stream
from shoal.signaling.rooms.messages import MemberId, RosterMessage, SegmentMessage
from shoal.signaling.rooms.plan import FULL_WEIGHT, ORIGIN_SHARE_UNITS
from shoal.signaling.rooms.room import UPLINK_VALID_S, MemberState, Room
from shoal.signaling.rooms.upload_weights import (
    HEADROOM,
    ROUNDING_STEP,
    SHORT_HEADROOM,
    SIMILAR_FACTOR,
    WEIGHTS,
    UploadWeights,
    upload_weights,
)
from tests.unit.signaling.make import descriptor

MBIT = 1e6
UPLINKS = st.lists(st.none() | st.floats(0.05 * MBIT, 100 * MBIT), min_size=1, max_size=32)


def loads(found: UploadWeights, receivers: int, rate: float) -> list[float]:
    """Return the planned load of each link, bit/s."""
    total = sum(found.weights)
    shared = rate * (receivers - 1) * (1 - found.origin_share / ORIGIN_SHARE_UNITS)
    return [shared * weight / total if total else 0.0 for weight in found.weights]


def test_links_that_carry_a_full_share_get_full_weight() -> None:
    assert upload_weights([6 * MBIT] * 8, 8, 1.1 * MBIT) == UploadWeights((FULL_WEIGHT,) * 8)
    assert upload_weights([2 * MBIT] * 5 + [6 * MBIT] * 3, 8, 1.1 * MBIT) == UploadWeights(
        (FULL_WEIGHT,) * 8
    )


def test_without_measurements_there_is_no_shortage() -> None:
    assert upload_weights([None] * 3, 3, 2 * MBIT) == UploadWeights((FULL_WEIGHT,) * 3)
    assert upload_weights([], 3, 2 * MBIT) == UploadWeights(())
    assert upload_weights([1.0], 1, 2 * MBIT) == UploadWeights((FULL_WEIGHT,))


def test_a_weak_link_gets_a_lower_weight() -> None:
    found = upload_weights([20 * MBIT] * 7 + [1 * MBIT], 8, 1.92 * MBIT)
    assert found == UploadWeights((FULL_WEIGHT,) * 7 + (FULL_WEIGHT // 4,))


def test_a_hopeless_link_gets_none() -> None:
    found = upload_weights([20 * MBIT] * 7 + [0.1 * MBIT], 8, 1.92 * MBIT)
    assert found == UploadWeights((FULL_WEIGHT,) * 7 + (0,))


def test_a_shortage_is_left_to_the_store_for_everybody() -> None:
    found = upload_weights([0.9 * MBIT] * 8, 8, 1.1 * MBIT)
    assert found.weights == (FULL_WEIGHT,) * 8
    # 8 x 0.9 of the demand can be carried, minus rounding
    demand = 7 * 1.1 * SHORT_HEADROOM
    assert (1 - 7.2 / demand) * ORIGIN_SHARE_UNITS <= found.origin_share
    assert found.origin_share <= (1 - 7.2 / ROUNDING_STEP / demand) * ORIGIN_SHARE_UNITS + 1


def test_similar_measurements_get_the_same_weight() -> None:
    found = upload_weights([mbit * MBIT for mbit in (0.5, 0.9, 0.7, 1.1, 0.6, 0.8)], 6, 1.1 * MBIT)
    assert found == upload_weights([4.6 / 6 * MBIT] * 6, 6, 1.1 * MBIT)
    assert found.weights == (FULL_WEIGHT,) * 6


@given(UPLINKS, st.integers(0, 8), st.floats(0.1 * MBIT, 20 * MBIT))
def test_no_link_is_planned_beyond_what_it_carries(
    uplinks: list[float | None], only_receiving: int, rate: float
) -> None:
    receivers = len(uplinks) + only_receiving
    found = upload_weights(uplinks, receivers, rate)
    assert len(found.weights) == len(uplinks)
    assert set(found.weights) <= {*WEIGHTS, 0}
    assert 0 <= found.origin_share <= ORIGIN_SHARE_UNITS
    for uplink, load in zip(uplinks, loads(found, receivers, rate), strict=True):
        if uplink is not None:
            # the mean of links that count as equal
            assert load * HEADROOM <= uplink * SIMILAR_FACTOR**2 * (1 + 1e-6)


@given(UPLINKS, st.floats(0.1 * MBIT, 20 * MBIT))
def test_a_better_link_never_gets_a_lower_weight(uplinks: list[float | None], rate: float) -> None:
    found = upload_weights(uplinks, len(uplinks), rate)
    measured = sorted(
        (uplink, weight)
        for uplink, weight in zip(uplinks, found.weights, strict=True)
        if uplink is not None
    )
    assert [weight for _, weight in measured] == sorted(weight for _, weight in measured)


@given(
    st.lists(st.floats(0.5 * MBIT, 50 * MBIT), min_size=2, max_size=32),
    st.floats(0.1 * MBIT, 20 * MBIT),
)
def test_the_store_brings_nothing_that_links_could_carry(uplinks: list[float], rate: float) -> None:
    found = upload_weights(uplinks, len(uplinks), rate)
    full = rate * (len(uplinks) - 1) * HEADROOM / len(uplinks)
    if min(uplinks) >= full * ROUNDING_STEP:
        assert found == UploadWeights((FULL_WEIGHT,) * len(uplinks))
    # quarters are coarse, but half of the capacity is used
    carried = sum(loads(found, len(uplinks), rate)) * HEADROOM
    usable = sum(min(uplink, full * 2) for uplink in uplinks)
    assert carried >= min(rate * (len(uplinks) - 1) * HEADROOM, usable / ROUNDING_STEP / 2) * 0.96


ANN, BEN = MemberId("ann"), MemberId("ben")
SIZE = 1_000_000
"""bytes of 4 s: 2 Mbit/s"""


def a_room_of_two() -> Room:
    room = Room("main")
    for member in (ANN, BEN):
        room.join(
            member, MemberState(0, sharing=True), stream=Stream("abc", True), recent=(), now=0
        )
        room.set_ready(member, now=0)
    room.tick(now=1)
    return room


@pytest.mark.parametrize("after_s", [5.0, UPLINK_VALID_S - 1])
def test_the_next_segments_plan_uses_measurements(after_s: float) -> None:
    room = a_room_of_two()
    for member in (ANN, BEN):
        room.set_uplink(member, 0.6 * MBIT, now=1)
    sent = room.publish(descriptor(7, size=SIZE), now=1 + after_s)
    assert [type(outgoing.message) for outgoing in sent] == [
        RosterMessage,
        RosterMessage,
        SegmentMessage,
    ]
    told, announced = sent[0].message, sent[-1].message
    assert isinstance(told, RosterMessage)
    assert isinstance(announced, SegmentMessage)
    assert told.epoch == announced.epoch
    assert 16 <= told.origin_share <= 20
    # nothing new, so no new roster
    again = room.publish(descriptor(8, size=SIZE), now=2 + after_s)
    assert [type(outgoing.message) for outgoing in again] == [SegmentMessage]


def test_an_old_measurement_is_forgotten() -> None:
    room = a_room_of_two()
    for member in (ANN, BEN):
        room.set_uplink(member, 0.6 * MBIT, now=1)
    room.publish(descriptor(7, size=SIZE), now=2)
    told = room.publish(descriptor(8, size=SIZE), now=2 + UPLINK_VALID_S)[0].message
    assert isinstance(told, RosterMessage)
    assert told.origin_share == 0


def test_an_unplayed_variant_has_no_origin_share() -> None:
    room = a_room_of_two()
    for member in (ANN, BEN):
        room.set_uplink(member, 0.6 * MBIT, now=1)
    room.publish(descriptor(7, size=SIZE), now=2)
    for member in (ANN, BEN):
        room.switch_variant(member, 1, now=3)
    room.tick(now=4)
    told = room.publish(descriptor(8, size=SIZE), now=5)[0].message
    assert isinstance(told, RosterMessage)
    assert told.origin_share == 0

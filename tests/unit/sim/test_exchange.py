"""One segment in one room of `make sim`."""

import math

import pytest

from shoal.signaling.rooms.messages import MemberId, RosterEntry, RosterMessage
from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.bench.sim_crowd import SEGMENT_S, Viewer
from tests.bench.sim_exchange import SEGMENT_BYTES, deadline_s, exchange
from tests.bench.sim_latency import INITIAL_COMPLETION_S, MIN_CHANGE_S, SPARE_SEGMENTS, Delay
from tests.bench.sim_results import Receipt, Sums
from tests.bench.sim_station import descriptor_of
from tests.bench.sim_uplink import Uplink

AT = 1_000.0
PIECES = len(descriptor_of(0).pieces)


def viewers(count: int, mbits: float = 1_000.0) -> list[Viewer]:
    """Viewers that are all linked, past their start-up, and stay."""
    crowd = [
        Viewer(number, MemberId(f"m{number:02}"), Uplink(1e6 * mbits), True, 0.0, math.inf, 2.0)
        for number in range(count)
    ]
    for viewer in crowd:
        viewer.begun = True
        viewer.links = {other.id for other in crowd if other is not viewer}
    return crowd


def roster(
    crowd: list[Viewer], cut: dict[int, tuple[int, ...]] | None = None, **room: int
) -> RosterMessage:
    lines = [
        RosterEntry(
            viewer.id, 0, viewer.begun, 4 if viewer.upload else 0, (cut or {}).get(place, ())
        )
        for place, viewer in enumerate(crowd)
    ]
    return RosterMessage(
        room="r", plan_version=PLAN_VERSION, epoch=1, you=crowd[0].id, members=tuple(lines), **room
    )


def sums(receipts: list[Receipt]) -> Sums:
    total = Sums()
    for receipt in receipts:
        total.add(receipt)
    return total


def unlink(crowd: list[Viewer], one: int, other: int) -> None:
    crowd[one].links.discard(crowd[other].id)
    crowd[other].links.discard(crowd[one].id)


def share_out(crowd: list[Viewer], told: RosterMessage | None = None) -> list[Receipt]:
    receipts = exchange(crowd, told or roster(crowd), descriptor_of(3), AT)
    staying = [viewer for viewer in crowd if viewer.leaves_at >= AT + SEGMENT_S]
    assert [receipt.viewer for receipt in receipts] == staying
    for receipt in receipts:
        assert sums([receipt]).total == SEGMENT_BYTES
    return receipts


def test_a_room_draws_one_copy_and_pushes_the_rest() -> None:
    crowd = viewers(8)
    total = sums(share_out(crowd))
    assert total == Sums(store=SEGMENT_BYTES, pushed=7 * SEGMENT_BYTES)
    assert sum(viewer.uplink.sent for viewer in crowd) == pytest.approx(7 * SEGMENT_BYTES)


def test_what_is_left_to_the_store_everybody_fetches() -> None:
    total = sums(share_out(crowd := viewers(4), roster(crowd, origin_share=16)))
    part = sum(1 for _ in range(PIECES * 16 // 32 - 1)) * descriptor_of(0).piece_size
    part += SEGMENT_BYTES % descriptor_of(0).piece_size
    assert total.store == 4 * part + (SEGMENT_BYTES - part)
    assert total.pushed == 3 * (SEGMENT_BYTES - part)


def test_who_receives_only_gets_everything_and_sends_nothing() -> None:
    crowd = viewers(5)
    crowd[2].upload = False
    receipts = share_out(crowd)
    assert receipts[2].pushed == SEGMENT_BYTES
    assert crowd[2].uplink.sent == 0


def test_a_relay_carries_what_has_no_link() -> None:
    crowd = viewers(5)
    unlink(crowd, 0, 1)
    total = sums(share_out(crowd, roster(crowd, {0: (1,)})))
    assert total == Sums(store=SEGMENT_BYTES, pushed=4 * SEGMENT_BYTES)


def test_who_nobody_pushes_to_asks() -> None:
    crowd = viewers(5)
    unlink(crowd, 0, 1)  # and signaling was not told yet
    receipts = share_out(crowd)
    assert receipts[0].requested > 0
    assert receipts[0].requested == SEGMENT_BYTES - receipts[0].store - receipts[0].pushed
    assert sums(receipts).late == 0


def test_a_slice_whose_owner_left_is_fetched_by_a_successor() -> None:
    crowd = viewers(6)
    crowd[3].leaves_at = AT + 0.05
    total = sums(share_out(crowd))
    assert total.stepped_in > 0
    assert total.from_successor == 4 * total.stepped_in
    assert total.late == 0
    assert total.store + total.stepped_in == SEGMENT_BYTES


def test_what_is_not_there_at_the_deadline_the_store_brings() -> None:
    crowd = viewers(6)
    crowd[0].uplink.bps = 1e5
    for viewer in crowd:
        viewer.expected.add(9.0)  # nobody repairs in time
        viewer.asks_after_s = 0.0
    receipts = share_out(crowd)
    owned = receipts[0].store
    assert sums(receipts).late == 5 * owned > 0


def test_start_up_takes_what_is_pushed_and_the_rest_from_the_store() -> None:
    crowd = viewers(5)
    crowd[4].begun = False
    unlink(crowd, 0, 4)
    receipts = share_out(crowd)
    assert receipts[4].late == receipts[0].store > 0
    assert receipts[4].pushed == SEGMENT_BYTES - receipts[0].store
    assert receipts[4].requested == 0


def test_what_the_last_segment_left_unsent_delays_the_next() -> None:
    crowd = viewers(5)
    crowd[0].uplink.free_at = AT + 1.5
    total = sums(share_out(crowd))
    assert total.from_successor > 0  # who did not wait for it
    assert total.late == 0


def test_the_deadline_follows_from_the_delay_and_from_when_the_player_asks() -> None:
    viewer = viewers(1)[0]
    viewer.asks_after_s -= 1.5
    spare = SPARE_SEGMENTS * SEGMENT_S
    assert 1 + spare < deadline_s(viewer) < 1 + spare + INITIAL_COMPLETION_S
    before = deadline_s(viewer)
    for _ in range(10):
        viewer.delay.completed(INITIAL_COMPLETION_S - 0.6)
    assert deadline_s(viewer) == pytest.approx(before - 0.6)
    viewer.asks_after_s = 4.9
    assert before < deadline_s(viewer) < SEGMENT_S


def test_the_delay_follows_the_slowest_of_the_last_segments() -> None:
    delay = Delay(SEGMENT_S)
    before = delay.seconds
    delay.completed(INITIAL_COMPLETION_S + MIN_CHANGE_S / 2)
    assert delay.seconds == before
    for _ in range(64):
        delay.completed(3.0)
    assert before < delay.seconds < before + 3 - INITIAL_COMPLETION_S  # it needs less to spare
    for _ in range(64):
        delay.completed(6.0)
    spare = SPARE_SEGMENTS * SEGMENT_S
    assert delay.seconds == pytest.approx(before + 6 - INITIAL_COMPLETION_S - spare)
    for _ in range(64):
        delay.completed(60.0)
    assert delay.seconds == 4 * SEGMENT_S


def test_who_takes_a_piece_from_the_store_needs_it_no_more() -> None:
    crowd = viewers(6)
    crowd[0].uplink.bps = 1e5
    for viewer in crowd:
        viewer.asks_after_s = 0.0
        viewer.expected.add(9.0)
    receipts = share_out(crowd)
    assert sums(receipts).late == 5 * receipts[0].store
    # its own slice for the first ones was under way: the rest is not sent
    assert crowd[0].uplink.sent < 5 * receipts[0].store

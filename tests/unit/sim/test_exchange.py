"""One segment in one room of `make sim`."""

import math

import pytest

from shoal.signaling.rooms.messages import MemberId, RosterEntry, RosterMessage
from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.bench.sim_crowd import SEGMENT_S, Viewer
from tests.bench.sim_exchange import SEGMENT_BYTES, deadline_s, exchange
from tests.bench.sim_latency import (
    INITIAL_COMPLETION_S,
    MIN_LATENCY_CHANGE_S,
    SPARE_SEGMENTS,
    TargetLatency,
)
from tests.bench.sim_results import Receipt, Sums
from tests.bench.sim_station import descriptor_of
from tests.bench.sim_uplink import Uplink

AT = 1_000.0
PIECES = len(descriptor_of(0).pieces)


def viewers(count: int, mbits: float = 1_000.0) -> list[Viewer]:
    """Return viewers that are all linked, past their start-up, and stay."""
    crowd = [
        Viewer(number, MemberId(f"m{number:02}"), Uplink(1e6 * mbits), True, 0.0, math.inf, 2.0)
        for number in range(count)
    ]
    for viewer in crowd:
        viewer.started = True
        viewer.links = {other.id for other in crowd if other is not viewer}
    return crowd


def roster(
    crowd: list[Viewer], unreachable: dict[int, tuple[int, ...]] | None = None, **room: int
) -> RosterMessage:
    entries = [
        RosterEntry(
            viewer.id,
            0,
            viewer.started,
            4 if viewer.upload else 0,
            (unreachable or {}).get(index, ()),
        )
        for index, viewer in enumerate(crowd)
    ]
    return RosterMessage(
        room="r",
        plan_version=PLAN_VERSION,
        epoch=1,
        you=crowd[0].id,
        members=tuple(entries),
        **room,
    )


def sums(receipts: list[Receipt]) -> Sums:
    total = Sums()
    for receipt in receipts:
        total.add(receipt)
    return total


def unlink(crowd: list[Viewer], one: int, other: int) -> None:
    crowd[one].links.discard(crowd[other].id)
    crowd[other].links.discard(crowd[one].id)


def run_exchange(crowd: list[Viewer], message: RosterMessage | None = None) -> list[Receipt]:
    receipts = exchange(crowd, message or roster(crowd), descriptor_of(3), AT)
    staying = [viewer for viewer in crowd if viewer.leaves_at >= AT + SEGMENT_S]
    assert [receipt.viewer for receipt in receipts] == staying
    for receipt in receipts:
        assert sums([receipt]).total == SEGMENT_BYTES
    return receipts


def test_a_room_fetches_one_copy_and_pushes_it() -> None:
    crowd = viewers(8)
    total = sums(run_exchange(crowd))
    assert total == Sums(store=SEGMENT_BYTES, pushed=7 * SEGMENT_BYTES)
    assert sum(viewer.uplink.sent for viewer in crowd) == pytest.approx(7 * SEGMENT_BYTES)


def test_every_member_fetches_the_origin_share() -> None:
    total = sums(run_exchange(crowd := viewers(4), roster(crowd, origin_share=16)))
    part = sum(1 for _ in range(PIECES * 16 // 32 - 1)) * descriptor_of(0).piece_size
    part += SEGMENT_BYTES % descriptor_of(0).piece_size
    assert total.store == 4 * part + (SEGMENT_BYTES - part)
    assert total.pushed == 3 * (SEGMENT_BYTES - part)


def test_a_receive_only_member_gets_everything_and_sends_nothing() -> None:
    crowd = viewers(5)
    crowd[2].upload = False
    receipts = run_exchange(crowd)
    assert receipts[2].pushed == SEGMENT_BYTES
    assert crowd[2].uplink.sent == 0


def test_a_relay_stands_in_for_a_missing_link() -> None:
    crowd = viewers(5)
    unlink(crowd, 0, 1)
    total = sums(run_exchange(crowd, roster(crowd, {0: (1,)})))
    assert total == Sums(store=SEGMENT_BYTES, pushed=4 * SEGMENT_BYTES)


def test_a_member_requests_what_is_not_pushed() -> None:
    crowd = viewers(5)
    unlink(crowd, 0, 1)  # and signaling does not know it yet
    receipts = run_exchange(crowd)
    assert receipts[0].requested > 0
    assert receipts[0].requested == SEGMENT_BYTES - receipts[0].store - receipts[0].pushed
    assert sums(receipts).late == 0


def test_a_slice_whose_owner_left_is_fetched_by_a_successor() -> None:
    crowd = viewers(6)
    crowd[3].leaves_at = AT + 0.05
    total = sums(run_exchange(crowd))
    assert total.stepped_in > 0
    assert total.from_successor == 4 * total.stepped_in
    assert total.late == 0
    assert total.store + total.stepped_in == SEGMENT_BYTES


def test_the_store_delivers_what_is_missing_at_the_deadline() -> None:
    crowd = viewers(6)
    crowd[0].uplink.bps = 1e5
    for viewer in crowd:
        viewer.expected.add(9.0)  # too long for any repair
        viewer.playlist_delay_s = 0.0
    receipts = run_exchange(crowd)
    owned = receipts[0].store
    assert sums(receipts).late == 5 * owned > 0


def test_start_up_takes_pushed_pieces_and_the_rest_from_the_store() -> None:
    crowd = viewers(5)
    crowd[4].started = False
    unlink(crowd, 0, 4)
    receipts = run_exchange(crowd)
    assert receipts[4].late == receipts[0].store > 0
    assert receipts[4].pushed == SEGMENT_BYTES - receipts[0].store
    assert receipts[4].requested == 0


def test_pieces_of_the_last_segment_delay_the_next() -> None:
    crowd = viewers(5)
    crowd[0].uplink.free_at = AT + 1.5
    total = sums(run_exchange(crowd))
    assert total.from_successor > 0  # which did not wait for the owner
    assert total.late == 0


def test_the_deadline_follows_from_target_latency_and_playlist_delay() -> None:
    viewer = viewers(1)[0]
    viewer.playlist_delay_s -= 1.5
    spare = SPARE_SEGMENTS * SEGMENT_S
    assert 1 + spare < deadline_s(viewer) < 1 + spare + INITIAL_COMPLETION_S
    before = deadline_s(viewer)
    for _ in range(10):
        viewer.target_latency.completed(INITIAL_COMPLETION_S - 0.6)
    assert deadline_s(viewer) == pytest.approx(before - 0.6)
    viewer.playlist_delay_s = 4.9
    assert before < deadline_s(viewer) < SEGMENT_S


def test_target_latency_follows_the_slowest_of_the_last_segments() -> None:
    latency = TargetLatency(SEGMENT_S)
    before = latency.seconds
    latency.completed(INITIAL_COMPLETION_S + MIN_LATENCY_CHANGE_S / 2)
    assert latency.seconds == before
    for _ in range(64):
        latency.completed(3.0)
    assert before < latency.seconds < before + 3 - INITIAL_COMPLETION_S  # with less spare time
    for _ in range(64):
        latency.completed(6.0)
    spare = SPARE_SEGMENTS * SEGMENT_S
    assert latency.seconds == pytest.approx(before + 6 - INITIAL_COMPLETION_S - spare)
    for _ in range(64):
        latency.completed(60.0)
    assert latency.seconds == 4 * SEGMENT_S


def test_pieces_fetched_from_the_store_are_no_longer_pushed() -> None:
    crowd = viewers(6)
    crowd[0].uplink.bps = 1e5
    for viewer in crowd:
        viewer.playlist_delay_s = 0.0
        viewer.expected.add(9.0)
    receipts = run_exchange(crowd)
    assert sums(receipts).late == 5 * receipts[0].store
    # pieces for the first receivers were under way; the rest is not sent
    assert crowd[0].uplink.sent < 5 * receipts[0].store

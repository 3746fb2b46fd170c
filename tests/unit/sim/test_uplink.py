"""A viewer's uplink in `make sim`."""

import math

import pytest

from tests.bench.sim_uplink import MAX_WAIT_S, PACE, PROBE_AFTER_S, Uplink

BYTES = 100_000
BITS = 8 * BYTES


def wanted(_to: int, _piece: int) -> bool:
    return True


def send(uplink: Uplink, now: float, leaves_at: float = math.inf) -> list[tuple[int, int]]:
    return uplink.send(now, [BYTES] * 4, wanted, leaves_at)


def measured() -> Uplink:
    """Return a link that has just been busy for two seconds."""
    uplink = Uplink(BITS)
    for to in range(2):
        uplink.add(to, 0, BYTES)
    send(uplink, -2.0)
    assert uplink.free_at == 0
    return uplink


def test_an_unmeasured_link_sends_to_all_receivers_at_once() -> None:
    uplink = Uplink(10 * BITS)
    for to in (2, 0, 1):
        uplink.add(to, 3, BYTES)
    assert send(uplink, 5.0) == [(2, 3), (0, 3), (1, 3)]
    assert uplink.free_at == pytest.approx(5.3)
    assert uplink.sent == pytest.approx(3 * BYTES)
    assert send(uplink, 5.3) == []


def test_a_second_piece_waits_for_the_first_of_each_receiver() -> None:
    uplink = Uplink(BITS)
    for to, piece in ((0, 0), (0, 1), (1, 0)):
        uplink.add(to, piece, BYTES)
    assert send(uplink, 0.0) == [(0, 0), (1, 0)]
    assert send(uplink, 2.0) == [(0, 1)]


def test_receivers_take_turns_on_a_measured_link() -> None:
    uplink = measured()
    for to, piece in ((0, 0), (0, 1), (1, 0)):
        uplink.add(to, piece, BYTES)
    assert [send(uplink, at)[0] for at in (10.0, 20.0, 30.0)] == [(0, 0), (1, 0), (0, 1)]


def test_a_link_is_measured_after_it_was_the_limit_for_a_while() -> None:
    uplink = Uplink(10 * BITS)
    uplink.add(0, 0, BYTES)
    send(uplink, 0.0)
    assert uplink.measured_bps(1.0) is None
    assert measured().measured_bps(1.0) == BITS
    assert measured().measured_bps(61.0) is None


def test_a_measured_link_sends_one_piece_after_the_other_at_its_pace() -> None:
    uplink = measured()
    uplink.add(0, 0, BYTES)
    assert send(uplink, 10.0) == [(0, 0)]
    assert uplink.free_at == pytest.approx(10 + 1 / PACE)
    later = 10 + PROBE_AFTER_S + 1
    for to in range(2):
        uplink.add(to, 0, BYTES)
    assert len(send(uplink, later)) == 2  # the link is measured again
    assert uplink.free_at == pytest.approx(later + 2)


def test_the_pace_rises_if_pieces_would_wait_too_long() -> None:
    uplink = measured()
    for piece in range(4):
        uplink.add(0, piece, BYTES)
    assert 4 / MAX_WAIT_S > 1
    assert send(uplink, 0.0) == [(0, 0)]
    assert uplink.free_at == pytest.approx(1.0)  # at the full rate of the link


def test_unwanted_pieces_are_skipped_and_a_viewer_that_leaves_stops_sending() -> None:
    uplink = measured()
    for to in range(3):
        uplink.add(to, 0, BYTES)
    assert uplink.send(0.0, [BYTES], lambda to, _piece: to == 1, math.inf) == [(1, 0)]
    before = uplink.sent
    assert send(uplink, 2.0, leaves_at=2.5) == [(2, 0)]
    assert uplink.free_at == 2.5
    assert uplink.sent - before < BYTES
    uplink.add(0, 0, BYTES)
    uplink.clear()
    assert send(uplink, 3.0) == []

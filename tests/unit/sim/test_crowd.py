"""The viewers of `make sim`, and which of them can connect."""

import pytest

from tests.bench.sim_crowd import RECEIVE_ONLY, Crowd, Viewer, uplink_bps
from tests.bench.sim_links import ATTEMPT_S, CANNOT_CONNECT, MAX_UNFINISHED, Pairs, retry_after_s

SEED = 7


def crowd(viewers: int) -> list[Viewer]:
    return list(Crowd(viewers, 60.0, SEED).first())


@pytest.mark.parametrize(("fraction", "mbits"), [(0, 2), (0.06, 3), (0.5, 18.4), (1, 50)])
def test_uplinks_match_the_published_measurements(fraction: float, mbits: float) -> None:
    assert uplink_bps(fraction) == pytest.approx(1e6 * mbits)


def test_uplinks_rise_between_the_published_points() -> None:
    rising = [uplink_bps(n / 1000) for n in range(1001)]
    assert rising == sorted(set(rising))
    assert sum(rising) / len(rising) == pytest.approx(19.7e6, rel=0.01)


def test_a_quarter_only_receives_and_a_tenth_leaves_each_minute() -> None:
    viewers = crowd(4_000)
    assert sum(not viewer.upload for viewer in viewers) == pytest.approx(4_000 * RECEIVE_ONLY, 0.1)
    gone = sum(viewer.leaves_at - viewer.joins_at < 60 for viewer in viewers)
    assert gone == pytest.approx(400, rel=0.1)


def test_a_viewer_that_leaves_is_replaced() -> None:
    drawn = Crowd(2, 60.0, SEED)
    first, second = drawn.first()
    third = drawn.replacement(first)
    assert first.leaves_at <= third.joins_at <= first.leaves_at + 1
    assert len({first.id, second.id, third.id}) == 3
    assert third.number == 2


def test_the_same_seed_draws_the_same_crowd() -> None:
    assert [viewer.id for viewer in crowd(3)] == [viewer.id for viewer in crowd(3)]


def test_a_fifth_of_the_pairs_can_never_connect() -> None:
    viewers = crowd(100)
    pairs = Pairs(SEED)
    able = {
        (one.number, attempt.to.number): attempt.connected
        for one in viewers
        for attempt in pairs.connect(one, [other for other in viewers if other is not one], 0.0)
    }
    assert sum(not connected for connected in able.values()) / len(able) == pytest.approx(
        CANNOT_CONNECT, abs=0.02
    )
    assert all(able[two, one] == connected for (one, two), connected in able.items())


def test_a_new_viewer_connects_to_six_at_a_time() -> None:
    viewer, *others = crowd(30)
    ended = Pairs(SEED).connect(viewer, others, 100.0)
    assert [attempt.to for attempt in ended] == others
    for attempt in ended[:MAX_UNFINISHED]:
        assert attempt.at <= 100 + ATTEMPT_S
    for number, attempt in enumerate(ended[MAX_UNFINISHED:], MAX_UNFINISHED):
        # it began when an earlier attempt had ended
        assert attempt.at > min(before.at for before in ended[:number])
        if not attempt.connected:
            assert attempt.at - ATTEMPT_S in [before.at for before in ended[:number]]


def test_failed_attempts_are_repeated_less_and_less_often() -> None:
    assert [retry_after_s(times) for times in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]

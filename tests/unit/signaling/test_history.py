import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shoal.api_types import BytesBySource, HistoryColumns, ReplayTotals
from shoal.signaling.stats.history import STEP_S, STEPS, History
from shoal.signaling.stats.totals import Totals

START = 1_900_000_000


def p2p(size: int, viewers: int = 0) -> Totals:
    return Totals(bytes=BytesBySource(p2p=size), viewers=viewers)


def test_a_row_has_the_counts_of_its_moment_and_the_bytes_of_its_step() -> None:
    history = History()
    first = Totals(
        bytes=BytesBySource(100, 200, 300),
        startup=BytesBySource(1, 20, 3),
        uploaded=90,
        wanted=500,
        stalls=2,
        viewers=5,
        peers=4,
        latency_s=8.5,
        replays=ReplayTotals(bytes=BytesBySource(7, 8, 0)),
    )
    history.record(START + 0.2, first, 1)
    history.record(START + 10.1, msgspec.structs.replace(first, viewers=0, latency_s=None), 0)
    grown = msgspec.structs.replace(first, bytes=BytesBySource(150, 260, 300), stalls=3)
    history.record(START + 20.0, grown, 1)
    assert history.after(0) == HistoryColumns(
        step_s=10,
        at=[START, START + 10, START + 20],
        viewers=[5, 0, 5],
        linked=[4, 4, 4],
        rooms=[1, 0, 1],
        p2p=[100, 0, 50],
        store=[200, 0, 60],
        seed=[300, 0, 0],
        startup=[24, 0, 0],
        startup_p2p=[1, 0, 0],
        wanted=[500, 0, 0],
        uploaded=[90, 0, 0],
        stalls=[2, 0, 1],
        replays_p2p=[7, 0, 0],
        replays_store=[8, 0, 0],
        latency_s=[8.5, None, 8.5],
    )


def test_only_later_rows_are_returned() -> None:
    history = History()
    assert history.after(0).at == []
    for step in range(4):
        history.record(START + step * STEP_S, Totals(), 0)
    assert history.after(START + 10).at == [START + 20, START + 30]
    assert history.after(START + 19.9).at == [START + 20, START + 30]
    assert history.after(START + 30).at == []
    assert history.after(1e300).at == []
    assert len(history.after(-5.0).at) == 4


def test_missed_steps_are_null_and_nothing_is_lost() -> None:
    history = History()
    history.record(START, p2p(10, viewers=1), 1)
    history.record(START + 39, p2p(25, viewers=2), 1)
    said = history.after(0)
    assert said.at == [START, START + 10, START + 20, START + 30]
    assert said.viewers == [1, None, None, 2]
    assert said.p2p == [10, None, None, 15]
    assert said.stalls == [0, None, None, 0]


def test_it_keeps_a_day() -> None:
    history = History()
    for step in range(STEPS + 100):
        history.record(START + step * STEP_S, p2p(step), 0)
    said = history.after(0)
    assert len(said.at) == STEPS
    assert (said.at[0], said.at[-1]) == (START + 1000, START + (STEPS + 99) * STEP_S)
    assert set(said.p2p) == {1}
    later = START + (STEPS + 99) * STEP_S + 86_400 * 3
    history.record(later, p2p(10**6), 0)
    assert history.after(0).at == [later]
    assert history.after(0).p2p == [10**6 - (STEPS + 99)]


def test_the_same_step_again_and_a_clock_that_is_set_back_a_little_wait_for_the_next() -> None:
    history = History()
    history.record(START + 20, p2p(5), 0)
    history.record(START + 29.9, p2p(6), 0)
    history.record(START + 5, p2p(7), 0)
    history.record(START + 30, p2p(8), 0)
    assert history.after(0).at == [START + 20, START + 30]
    assert history.after(0).p2p == [5, 3]


def test_a_clock_that_is_set_back_far_starts_over() -> None:
    history = History()
    history.record(START, p2p(5), 0)
    history.record(START + 10, p2p(6), 0)
    history.record(START - 3600, p2p(8), 0)
    assert (history.after(0).at, history.after(0).p2p) == ([START - 3600], [2])


def test_a_sum_that_shrinks_counts_as_nothing() -> None:
    history = History()
    for step, size in enumerate((100, 40, 50)):
        history.record(START + step * STEP_S, p2p(size), 0)
    assert history.after(0).p2p == [100, 0, 10]


@given(st.lists(st.tuples(st.integers(-40, 2 * STEPS * STEP_S), st.integers(0, 1000)), max_size=30))
def test_rows_stand_in_a_line_and_together_hold_what_was_reported(
    steps: list[tuple[int, int]],
) -> None:
    history = History()
    now, total, at_last_row = START, 0, 0
    for passed, received in steps:
        now += passed
        total += received
        before = history.after(0).at
        history.record(now, p2p(total, viewers=1), 1)
        said = history.after(0)
        assert said.at == list(range(said.at[0], said.at[-1] + 1, STEP_S))
        assert len(said.at) <= STEPS
        assert said.viewers[0] is not None or len(said.at) == STEPS
        assert len(said.p2p) == len(said.latency_s) == len(said.at)
        if said.at != before:
            assert said.p2p[-1] == total - at_last_row
            assert said.at[-1] <= now < said.at[-1] + STEP_S
            at_last_row = total

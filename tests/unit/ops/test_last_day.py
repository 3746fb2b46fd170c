from shoal.ops.last_day import LastDay, last_day
from tests.unit.ops.make import columns

START = 1_900_000_000
STARTED = "2030-03-17T17:46:40+00:00"


def test_the_rows_are_summed_up_and_holes_count_nothing() -> None:
    day = last_day(
        columns(
            at=[START, START + 10, START + 20, START + 30],
            viewers=[2, None, 5, 5],
            p2p=[100, None, 200, 0],
            store=[80, None, 120, 0],
            seed=[0, None, 20, 0],
            startup=[30, None, 90, 0],
            startup_p2p=[0, None, 20, 0],
            stalls=[1, None, 2, 0],
        )
    )
    assert day == LastDay(
        since=STARTED,
        share=280 / 400,
        share_last_hour=280 / 400,
        peak_viewers=5,
        peak_at="2030-03-17T17:47:00+00:00",
        stalls=3,
    )


def test_the_last_hour_is_told_apart() -> None:
    day = last_day(
        columns(
            at=[START, START + 10, START + 3610, START + 3620],
            viewers=[9, 1, 1, 1],
            p2p=[0, 0, 60, 0],
            store=[100, 100, 20, 20],
        )
    )
    assert day is not None
    assert (day.share, day.share_last_hour, day.peak_at) == (0.2, 0.6, STARTED)


def test_nothing_is_not_a_share_of_nothing() -> None:
    assert last_day(columns(at=[], viewers=[])) is None
    idle = last_day(columns(at=[START, START + 10], viewers=[None, 0]))
    assert idle is not None
    assert (idle.share, idle.share_last_hour, idle.peak_viewers) == (None, None, 0)

import pytest

from shoal.api_types import CounterHistory
from shoal.ops.time_windows import VideoBytes, build_windows, growth
from tests.unit.ops.samples import columns, counts

START = 1_900_000_000
STARTED = "2030-03-17T17:46:30+00:00"


def test_rows_are_summed_and_missing_steps_count_nothing() -> None:
    history = columns(
        at=[START, START + 10, START + 20, START + 30],
        viewers=[2, None, 5, 5],
        p2p=[100, None, 200, 0],
        store=[80, None, 120, 0],
        seed=[0, None, 20, 0],
        startup=[30, None, 90, 0],
        startup_p2p=[0, None, 20, 0],
        wanted=[200, None, 400, 0],
        uploaded=[90, None, 210, 0],
        stalls=[1, None, 2, 0],
    )
    day = build_windows(history, None)["day"]
    assert day.since == STARTED
    assert day.seconds == 40
    assert day.bytes == VideoBytes(ec2_video=None, store=200, p2p=300, seed=20)
    assert day.share == 280 / 400
    assert (day.peak_viewers, day.peak_at) == (5, "2030-03-17T17:47:00+00:00")
    assert day.viewers == 4
    assert day.viewer_hours == pytest.approx(120 / 3600)
    assert (day.uploaded, day.stalls) == (300, 3)
    # 220 bytes were fetched, 100 of them for starts, of segments of 100 and 80 bytes
    assert day.copies == pytest.approx((220 - 100) / 180)


def test_segments_announced_while_all_viewers_start_are_not_missed_copies() -> None:
    history = columns(
        at=[START, START + 10],
        viewers=[3, 3],
        p2p=[0, 200],
        store=[300, 100],
        startup=[300, 0],
        wanted=[300, 300],
    )
    assert build_windows(history, None)["now"].copies == 1.0


def test_the_windows_differ() -> None:
    found = build_windows(
        columns(
            at=[START, START + 3200, START + 3610, START + 3620],
            viewers=[9, 1, 1, 1],
            p2p=[0, 0, 60, 0],
            store=[100, 100, 20, 20],
        ),
        None,
    )
    assert (found["now"].share, found["hour"].share, found["day"].share) == (0.6, 0.3, 0.2)
    assert (found["now"].peak_viewers, found["day"].peak_viewers) == (1, 9)


def test_video_through_this_host_per_viewer_hour() -> None:
    history = columns(at=[START, START + 10, START + 20], viewers=[360, 360, 360])
    rows = [
        counts(START - 60, services_video=500),
        counts(START - 15, services_video=700, gateway_video=900, stored=10),
        counts(START + 20, services_video=1000, gateway_video=2400, stored=70),
    ]
    now = build_windows(history, CounterHistory({}, rows))["now"]
    assert now.bytes.ec2_video == 1500  # the larger of two counts
    assert now.stored == 60
    assert now.viewer_hours == 3
    assert now.ec2_video_per_viewer_hour == 500


def test_a_counter_that_was_reset_goes_on() -> None:
    rows = [counts(at, stored=value) for at, value in enumerate((50, 70, None, 5, 25))]
    assert growth(rows, lambda row: row.stored) == 20 + 5 + 20
    assert growth(rows[2:3], lambda row: row.stored) is None


def test_nothing_received_has_no_share() -> None:
    assert build_windows(columns(at=[], viewers=[]), None) == {}
    idle = build_windows(columns(at=[START, START + 10], viewers=[None, 0]), None)["day"]
    assert (idle.share, idle.copies, idle.ec2_video_per_viewer_hour) == (None, None, None)
    assert (idle.viewers, idle.peak_viewers) == (0, 0)

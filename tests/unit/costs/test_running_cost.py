import pytest

from shoal.costs import prices
from shoal.costs.running_cost import Traffic, running_cost

NONE = Traffic(
    stored_bytes=0,
    stored_segments=0,
    host_video_bytes=0,
    seed_bytes=0,
    wanted_bytes=0,
    received_bytes=0,
)


def test_an_hour_of_a_hundred_viewers() -> None:
    """The station of docs and design: 1.92 Mbit/s in segments of 5 s."""
    segment, segments, viewers = 1_200_000, 720, 100
    cost = running_cost(
        Traffic(
            stored_bytes=segment * segments,
            stored_segments=segments,
            host_video_bytes=0,
            seed_bytes=0,
            wanted_bytes=segment * segments * viewers,
            received_bytes=segment * segments * viewers,
        )
    )
    assert cost.ec2_direct_usd == pytest.approx(7.776)
    upload, writes, reads = 0.864 * 0.09, 720e-6 * 4.5, 72_000e-6 * 0.36
    assert cost.usd == pytest.approx(upload + writes + reads)
    assert cost.r2_usd == pytest.approx(cost.usd)
    assert cost.prices_as_of == prices.AS_OF


def test_whatever_leaves_the_host_is_paid_for() -> None:
    video = Traffic(
        stored_bytes=0,
        stored_segments=0,
        host_video_bytes=1_000_000_000,
        seed_bytes=1_000_000_000,
        wanted_bytes=5,
        received_bytes=0,
    )
    assert running_cost(video).usd == pytest.approx(0.18)
    assert running_cost(video).r2_usd == 0


def test_a_station_that_has_just_started_has_cost_nothing() -> None:
    assert (running_cost(NONE).usd, running_cost(NONE).ec2_direct_usd) == (0, 0)

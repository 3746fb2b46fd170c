from shoal.api_types import BytesBySource
from shoal.signaling.stats.totals import Totals


def test_the_totals_of_two_groups_can_be_added() -> None:
    one = Totals(
        bytes=BytesBySource(1, 2, 3),
        startup=BytesBySource(0, 1, 0),
        uploaded=5,
        stalls=1,
        wanted=7,
        recent=BytesBySource(1, 1, 1),
        viewers=3,
        by_variant={0: 2, 1: 1},
        peers=2,
        not_sharing=1,
        latency_s=8.0,
        with_latency=3,
    )
    other = Totals(bytes=BytesBySource(10, 20, 30), viewers=1, by_variant={1: 1}, peers=1)
    assert one + other == Totals(
        bytes=BytesBySource(11, 22, 33),
        startup=BytesBySource(0, 1, 0),
        uploaded=5,
        stalls=1,
        wanted=7,
        recent=BytesBySource(1, 1, 1),
        viewers=4,
        by_variant={0: 2, 1: 2},
        peers=3,
        not_sharing=1,
        latency_s=8.0,
        with_latency=3,
    )
    assert other + one == one + other
    assert one + Totals() == one


def test_the_latency_of_two_groups_is_weighed_by_their_viewers() -> None:
    assert (
        Totals(latency_s=8.0, with_latency=3) + Totals(latency_s=12.0, with_latency=1)
    ).latency_s == 9.0
    assert (Totals() + Totals()).latency_s is None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.signaling.figures import MAX_BYTES_PER_S, SETTLE_S, WINDOW_SEGMENTS, Figures, Totals
from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.station import BytesBySource, share
from tests.unit.signaling.make import stats

ANN, BEN = MemberId("ann"), MemberId("ben")


def test_totals_are_those_who_left_and_the_last_report_of_those_who_are_here() -> None:
    figures = Figures()
    figures.joined(ANN, 0)
    figures.joined(BEN, 0)
    startup = BytesBySource(store=5)
    assert figures.report(ANN, stats(10, 20, 30, startup=startup, uploaded=4), 10) is None
    assert figures.report(BEN, stats(100, 0, 0, peers=2, stalls=1, latency_s=8.0), 10) is None
    figures.left(ANN)
    assert figures.report(BEN, stats(150, 7, 0, peers=1, stalls=1, latency_s=9.0), 20) is None
    assert figures.totals() == Totals(
        bytes=BytesBySource(160, 27, 30),
        startup=startup,
        uploaded=4,
        stalls=1,
        peers=1,
        latency_s=9.0,
    )


def test_peers_and_latency_are_of_the_present() -> None:
    figures = Figures()
    for number, latency_s in enumerate((4.0, None, 10.0)):
        member = MemberId(str(number))
        figures.joined(member, 0)
        figures.report(member, stats(peers=number, latency_s=latency_s), 1)
    totals = figures.totals()
    assert (totals.peers, totals.latency_s) == (2, 7.0)
    for number in range(3):
        figures.left(MemberId(str(number)))
    assert figures.totals() == Totals()


@pytest.mark.parametrize(
    ("report", "refusal"),
    [
        (stats(p2p=-1), "negative"),
        (stats(p2p=100, peers=-1), "negative"),
        (stats(p2p=100, peers=10**9), "absurd"),
        (stats(p2p=100, latency_s=1e300), "absurd"),
        (stats(p2p=99), "decreasing"),
        (stats(p2p=100, startup=BytesBySource(p2p=101)), "startup_above_bytes"),
        (stats(p2p=11 * MAX_BYTES_PER_S + 1), "too_fast"),
        (stats(p2p=100, uploaded=11 * MAX_BYTES_PER_S + 1), "too_fast"),
        (stats(p2p=100, stalls=10**6), "too_fast"),
        (stats(p2p=10**400), "too_fast"),
    ],
)
def test_a_report_that_cannot_be_true_changes_nothing(report: Stats, refusal: str) -> None:
    figures = Figures()
    figures.joined(ANN, 0)
    assert figures.report(ANN, stats(p2p=100), 1) is None
    before = figures.totals()
    assert figures.report(ANN, report, 10) == refusal
    assert figures.totals() == before


def test_nobody_receives_more_than_was_announced_and_a_window() -> None:
    figures = Figures()
    figures.announced(0, 1000)
    figures.joined(ANN, 0)
    for _ in range(10):
        figures.announced(0, 1000)
        figures.announced(1, 300)
    most = 10 * 1000 + WINDOW_SEGMENTS * 1000
    assert figures.report(ANN, stats(p2p=most + 1), 100) == "too_much"
    assert figures.report(ANN, stats(store=2 * most, seed=1), 100) == "too_much"
    assert figures.report(ANN, stats(p2p=most, store=2 * most), 100) is None
    figures.announced(1, 300)  # the smaller rendition: nothing more to be had of the larger one
    assert figures.report(ANN, stats(p2p=most + 1, store=2 * most), 100) == "too_much"
    figures.announced(0, 1000)
    assert figures.report(ANN, stats(p2p=most + 1000, store=2 * most), 100) is None


def test_who_does_not_share_is_told_apart() -> None:
    figures = Figures()
    figures.joined(ANN, 0)
    figures.joined(BEN, 0, sharing=False)
    assert figures.totals().not_sharing == 1
    figures.left(BEN)
    assert figures.totals().not_sharing == 0


def test_recent_is_of_the_time_with_somebody_to_share_with() -> None:
    figures = Figures()
    figures.joined(ANN, 0)
    figures.report(ANN, stats(store=1000), 100)
    assert figures.totals().recent == BytesBySource(store=1000)
    figures.joined(BEN, 100)
    figures.report(ANN, stats(store=1200), 110)  # links are not open yet
    assert figures.totals().recent == BytesBySource()
    settled = 100 + SETTLE_S
    figures.report(ANN, stats(p2p=50, store=1250), settled + 1)
    figures.report(BEN, stats(p2p=60, store=40, startup=BytesBySource(store=30)), settled + 1)
    assert figures.totals().recent == BytesBySource(p2p=110, store=60)
    for minute in range(1, 5):
        now = settled + 60 * minute
        assert figures.report(ANN, stats(p2p=50, store=1250 + 100 * minute), now) is None
    assert figures.totals().recent == BytesBySource(store=200)


def test_share_leaves_start_up_apart() -> None:
    assert share(BytesBySource(60, 50), BytesBySource(store=10)) == 0.6
    assert share(BytesBySource(store=10), BytesBySource(store=10)) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["join", "leave", "report"]),
            st.sampled_from("abc"),
            st.integers(-5, 10**10),
            st.integers(-5, 10**10),
        ),
        max_size=40,
    )
)
def test_totals_never_shrink_nor_outgrow_the_links(
    events: list[tuple[str, str, int, int]],
) -> None:
    figures = Figures()
    here: set[MemberId] = set()
    joins = 0
    before = figures.totals().bytes
    for now, (kind, name, p2p, startup) in enumerate(events):
        member = MemberId(name)
        if kind == "join" and member not in here:
            figures.joined(member, now)
            here.add(member)
            joins += 1
        elif kind == "leave":
            figures.left(member)
            here.discard(member)
        elif member in here:
            figures.report(member, stats(p2p, startup=BytesBySource(startup)), now)
        after = figures.totals().bytes
        assert before.p2p <= after.p2p <= joins * (len(events) + 1) * MAX_BYTES_PER_S
        before = after

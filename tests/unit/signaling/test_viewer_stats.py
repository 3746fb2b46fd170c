import math
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.api_types import BytesBySource, ViewerSummary, share
from shoal.signaling.rooms.messages import MemberId, Stats
from shoal.signaling.stats.plausibility import WINDOW_SEGMENTS
from shoal.signaling.stats.totals import Totals
from shoal.signaling.stats.viewer_stats import (
    MAX_BYTES_PER_S,
    SETTLING_S,
    STORE_FACTOR,
    ViewerStats,
)
from tests.unit.signaling.make import stats

ANN, BEN = MemberId("ann"), MemberId("ben")


def test_totals_include_viewers_that_left() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.joined(BEN, 0, 0)
    startup = BytesBySource(store=5)
    assert viewer_stats.report(ANN, stats(10, 20, 30, startup=startup, uploaded=4), 10) is None
    assert viewer_stats.report(BEN, stats(100, 0, 0, peers=2, stalls=1, latency_s=8.0), 10) is None
    viewer_stats.left(ANN)
    assert viewer_stats.report(BEN, stats(150, 7, 0, peers=1, stalls=1, latency_s=9.0), 20) is None
    assert viewer_stats.totals() == Totals(
        bytes=BytesBySource(160, 27, 30),
        startup=startup,
        uploaded=4,
        stalls=1,
        viewers=1,
        by_variant={0: 1},
        peers=1,
        latency_s=9.0,
        with_latency=1,
    )


def test_a_segment_is_wanted_by_all_viewers_on_its_variant() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.joined(BEN, 1, 0, sharing=False)
    viewer_stats.published(0, 100)
    viewer_stats.published(1, 10)
    viewer_stats.published(2, 1)
    viewer_stats.switched(BEN, 0)
    viewer_stats.published(0, 100)
    viewer_stats.left(ANN)
    viewer_stats.left(BEN)
    viewer_stats.published(0, 100)
    assert viewer_stats.totals().wanted == 310


def test_each_viewer_s_last_report_is_kept() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 1000)
    viewer_stats.joined(BEN, 1, 1020, sharing=False)
    viewer_stats.switched(ANN, 2)
    startup = BytesBySource(store=5)
    viewer_stats.report(ANN, stats(1, 6, startup=startup), 1010)
    last = stats(10, 20, 30, startup=startup, uploaded=4, peers=2, stalls=1, latency_s=8.0)
    assert viewer_stats.report(ANN, last, 1020) is None
    assert viewer_stats.report(ANN, stats(9, 20, 30), 1020) == "decreasing"
    assert viewer_stats.viewers(1030, 1_900_000_030.2) == [
        ViewerSummary(
            id="ann",
            since=1_900_000_000,
            variant=2,
            sharing=True,
            bytes=BytesBySource(10, 20, 30),
            startup=startup,
            uploaded=4,
            links=2,
            stalls=1,
            latency_s=8.0,
        ),
        ViewerSummary(
            id="ben",
            since=1_900_000_020,
            variant=1,
            sharing=False,
            bytes=None,
            startup=None,
            uploaded=None,
            links=None,
            stalls=None,
            latency_s=None,
        ),
    ]
    viewer_stats.left(ANN)
    assert [viewer.id for viewer in viewer_stats.viewers(1030, 1_900_000_030)] == ["ben"]


def test_viewers_are_counted_by_variant() -> None:
    viewer_stats = ViewerStats()
    for number, variant in enumerate((0, 0, 1)):
        viewer_stats.joined(MemberId(str(number)), variant, 0)
    viewer_stats.switched(MemberId("0"), 1)
    viewer_stats.switched(MemberId("2"), 7)
    assert viewer_stats.totals().by_variant == {0: 1, 1: 1, 7: 1}
    viewer_stats.left(MemberId("2"))
    viewer_stats.left(MemberId("1"))
    assert (viewer_stats.totals().by_variant, viewer_stats.totals().viewers) == ({1: 1}, 1)


def test_peers_and_latency_are_those_of_present_viewers() -> None:
    viewer_stats = ViewerStats()
    for number, latency_s in enumerate((4.0, None, 10.0)):
        member = MemberId(str(number))
        viewer_stats.joined(member, 0, 0)
        viewer_stats.report(member, stats(peers=number, latency_s=latency_s), 1)
    totals = viewer_stats.totals()
    assert (totals.peers, totals.latency_s) == (2, 7.0)
    assert viewer_stats.report(MemberId("2"), stats(peers=2, latency_s=6.0), 2) is None
    assert viewer_stats.totals().latency_s == 5.0
    viewer_stats.left(MemberId("0"))
    assert viewer_stats.totals().latency_s == 6.0
    for number in (1, 2):
        viewer_stats.left(MemberId(str(number)))
    assert viewer_stats.totals() == Totals()


@pytest.mark.parametrize(
    ("report", "refusal"),
    [
        (stats(p2p=-1), "negative"),
        (stats(p2p=100, peers=-1), "negative"),
        (stats(p2p=100, peers=10**9), "absurd"),
        (stats(p2p=100, latency_s=1e300), "absurd"),
        (stats(p2p=100, uplink_bps=-1.0), "absurd"),
        (stats(p2p=100, uplink_bps=1e300), "absurd"),
        (stats(p2p=99), "decreasing"),
        (stats(p2p=100, startup=BytesBySource(p2p=101)), "startup_above_bytes"),
        (stats(p2p=11 * MAX_BYTES_PER_S + 1), "too_fast"),
        (stats(p2p=100, uploaded=11 * MAX_BYTES_PER_S + 1), "too_fast"),
        (stats(p2p=100, stalls=10**6), "too_fast"),
        (stats(p2p=10**400), "too_fast"),
    ],
)
def test_an_implausible_report_changes_nothing(report: Stats, refusal: str) -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    assert viewer_stats.report(ANN, stats(p2p=100), 1) is None
    before = viewer_stats.totals()
    assert viewer_stats.report(ANN, report, 10) == refusal
    assert viewer_stats.totals() == before


def test_nobody_receives_more_than_was_published_and_a_window() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.published(0, 1000)
    viewer_stats.joined(ANN, 0, 0)
    for _ in range(10):
        viewer_stats.published(0, 1000)
        viewer_stats.published(1, 3000)
    most = 10 * 1000 + WINDOW_SEGMENTS * 1000
    assert viewer_stats.report(ANN, stats(p2p=most + 1), 100) == "too_much"
    assert viewer_stats.report(ANN, stats(store=2 * most, seed=1), 100) == "too_much"
    assert viewer_stats.report(ANN, stats(p2p=most, store=2 * most), 100) is None
    viewer_stats.published(1, 3000)  # the other variant: nothing more of its own is available
    assert viewer_stats.report(ANN, stats(p2p=most + 1, store=2 * most), 100) == "too_much"
    viewer_stats.published(0, 1000)
    assert viewer_stats.report(ANN, stats(p2p=most + 1000, store=2 * most), 100) is None
    viewer_stats.switched(ANN, 1)
    most += 1000 + WINDOW_SEGMENTS * 3000
    assert viewer_stats.report(ANN, stats(p2p=most + 1, store=2 * most), 100) == "too_much"
    assert viewer_stats.report(ANN, stats(p2p=most, store=2 * most), 100) is None


def test_nobody_uploads_more_than_the_others_can_have_received() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.published(0, 1000)
    viewer_stats.joined(MemberId("gone"), 0, 0)
    viewer_stats.left(MemberId("gone"))
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.joined(BEN, 0, 0)
    most = 2 * WINDOW_SEGMENTS * 1000
    assert viewer_stats.report(BEN, stats(uploaded=most + 1), 100) == "too_much"
    assert viewer_stats.report(BEN, stats(uploaded=most), 100) is None
    viewer_stats.left(ANN)  # what it sent to her still counts
    assert viewer_stats.report(BEN, stats(uploaded=most), 100) is None
    viewer_stats.joined(MemberId("cy"), 0, 100)
    assert viewer_stats.report(BEN, stats(uploaded=most + 1), 100) is None


def test_viewers_that_do_not_share_are_counted() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.joined(BEN, 0, 0, sharing=False)
    assert viewer_stats.totals().not_sharing == 1
    viewer_stats.left(BEN)
    assert viewer_stats.totals().not_sharing == 0


def test_recent_bytes_start_once_there_are_two_to_share() -> None:
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.report(ANN, stats(store=1000), 100)
    assert viewer_stats.totals().recent == BytesBySource(store=1000)
    viewer_stats.joined(BEN, 0, 100)
    viewer_stats.report(ANN, stats(store=1200), 110)  # links are not open yet
    assert viewer_stats.totals().recent == BytesBySource()
    settled = 100 + SETTLING_S
    viewer_stats.report(ANN, stats(p2p=50, store=1250), settled + 1)
    viewer_stats.report(BEN, stats(p2p=60, store=40, startup=BytesBySource(store=30)), settled + 1)
    assert viewer_stats.totals().recent == BytesBySource(p2p=110, store=60)
    for minute in range(1, 5):
        now = settled + 60 * minute
        assert viewer_stats.report(ANN, stats(p2p=50, store=1250 + 100 * minute), now) is None
    assert viewer_stats.totals().recent == BytesBySource(store=200)


def test_share_excludes_start_up() -> None:
    assert share(BytesBySource(60, 50), BytesBySource(store=10)) == 0.6
    assert share(BytesBySource(store=10), BytesBySource(store=10)) is None


NAMES = st.sampled_from("abc")
AMOUNT = st.one_of(st.integers(0, 10**6), st.integers(-5, 10**9))
SOURCES = st.builds(BytesBySource, AMOUNT, AMOUNT, AMOUNT)
LATENCY = st.sampled_from([None, 4.0, 8.0, 9.0, -1e9, math.nan])
REPORT = st.builds(
    stats,
    AMOUNT,
    AMOUNT,
    AMOUNT,
    startup=st.just(BytesBySource()) | SOURCES,
    uploaded=AMOUNT,
    peers=st.integers(-1, 3),
    stalls=st.integers(0, 50),
    latency_s=LATENCY,
)
LARGEST = 10_000
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("segment"), st.integers(0, 1), st.integers(1, LARGEST)),
        st.tuples(st.just("join"), NAMES, st.integers(0, 2)),
        st.tuples(st.just("switch"), NAMES, st.integers(0, 3)),
        st.tuples(st.just("leave"), NAMES, st.none()),
        st.tuples(st.just("report"), NAMES, REPORT),
    ),
    max_size=60,
)


def flat(last: Totals | Stats) -> list[int]:
    received, startup = last.bytes, last.startup
    by_source = [received.p2p, received.store, received.seed, startup.p2p, startup.store]
    return [*by_source, startup.seed, last.uploaded, last.stalls]


@given(EVENTS)
def test_totals_are_the_sum_of_accepted_reports_and_stay_plausible(
    events: list[tuple[str, Any, Any]],
) -> None:
    viewer_stats = ViewerStats()
    here: dict[MemberId, Stats | None] = {}
    gone: list[Stats] = []
    viewer_stats.published(0, LARGEST)
    joins = 0
    most = 3 * WINDOW_SEGMENTS * LARGEST
    """bytes of one viewer: the windows of two variants and an unknown one, and what is published"""
    before = flat(viewer_stats.totals())
    for now, (kind, what, value) in enumerate(events):
        member = MemberId(str(what))
        if kind == "segment":
            viewer_stats.published(what, value)
            most += value
        elif kind == "join" and member not in here:
            viewer_stats.joined(member, value, now)
            here[member] = None
            joins += 1
        elif kind == "leave":
            viewer_stats.left(member)
            if last := here.pop(member, None):
                gone.append(last)
        elif kind == "switch" and member in here:
            viewer_stats.switched(member, value)
        elif kind == "report" and member in here:
            others = [viewer for viewer in viewer_stats.viewers(now, now) if viewer.id != member]
            if viewer_stats.report(member, value, now) is None:
                here[member] = value
            assert others == [v for v in viewer_stats.viewers(now, now) if v.id != member]
        totals = viewer_stats.totals()
        present = [last for last in here.values() if last is not None]
        after = flat(totals)
        columns = zip(*map(flat, [*gone, *present, stats()]), strict=True)
        assert after == [sum(column) for column in columns]
        assert all(new >= old for new, old in zip(after, before, strict=True))
        assert totals.bytes.p2p <= joins * most
        assert totals.bytes.store + totals.bytes.seed <= STORE_FACTOR * joins * most
        assert totals.uploaded <= joins * joins * most
        assert totals.bytes.total <= joins * (len(events) + 1) * MAX_BYTES_PER_S
        assert totals.viewers == len(here) == sum(totals.by_variant.values())
        assert totals.peers == sum(last.peers > 0 for last in present)
        known = [last.latency_s for last in present if last.latency_s is not None]
        assert totals.latency_s == (median(known) if known else None)
        before = after


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 10**6), st.integers(0, 2)), max_size=100)
)
def test_an_honest_report_is_always_accepted(
    segments: list[tuple[int, int, int]],
) -> None:
    """It plays what is published of its variant, now from peers, now from the store."""
    viewer_stats = ViewerStats()
    viewer_stats.joined(ANN, 0, 0)
    viewer_stats.joined(BEN, 0, 0)
    on = p2p = store = 0
    for number, (variant, size, to) in enumerate(segments):
        viewer_stats.published(variant, size)
        if variant == on:
            p2p, store = (p2p + size, store) if number % 2 else (p2p, store + size)
        assert viewer_stats.report(ANN, stats(p2p, store, uploaded=p2p), 4.0 * number) is None
        if to != on:
            on = to
            viewer_stats.switched(ANN, to)

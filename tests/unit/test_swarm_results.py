import pytest

from tests.bench.swarm_results import (
    MEASURES,
    MIN_IDLE_PCT,
    Counts,
    Window,
    counts,
    results,
    summary,
)

STATS = {"latency_s": 8.0, "first_picture_ms": 600}


def window(
    *changes: Counts, stayed: int, sent: int = 0, published: int = 0, rooms: int = 1
) -> Window:
    return Window(
        changes, stayed, viewers=4 * rooms, rooms=rooms, seconds=10, cpu_s=[1, 3], sent_bytes=sent,
        published_bytes=published, origin_bytes=0,
    )  # fmt: skip


def test_start_up_of_our_page_is_left_out_and_the_seed_is_not_a_peer() -> None:
    stats = {
        "bytes": {"p2p": 900, "store": 500, "seed": 70},
        "startup": {"p2p": 100, "store": 400, "seed": 0},
        "uploaded": 30,
        "stalls": 2,
    }
    assert counts(stats) == Counts(p2p=800, others=170, uploaded=30, stalls=2)


def test_share_and_copies_include_viewers_that_left() -> None:
    changes = [Counts(p2p=90, others=10, uploaded=60), Counts(p2p=60, others=40, uploaded=20)]
    outcome = results(window(*changes, stayed=1, sent=150, published=100), [STATS, STATS])
    assert outcome["share"] == 0.75
    assert outcome["limit"] == 0.75
    assert outcome["copies"] == 1.5
    assert outcome["cpu_pct"] == 20


def test_every_room_needs_its_own_copy() -> None:
    outcome = results(window(Counts(), stayed=1, sent=230, published=100, rooms=2), [STATS])
    assert outcome["limit"] == 0.75
    assert outcome["copies"] == 1.15


def test_uploads_are_compared_among_viewers_that_stayed() -> None:
    changes = [Counts(uploaded=30), Counts(uploaded=10), Counts(uploaded=500)]
    assert results(window(*changes, stayed=2), [STATS])["upload_max_over_mean"] == 1.5
    assert results(window(Counts(), stayed=1), [STATS])["upload_max_over_mean"] == 1.0


def test_values_that_were_never_measured_are_none() -> None:
    unseen = {"latency_s": None, "first_picture_ms": None}
    outcome = results(window(Counts(), stayed=1), [unseen])
    assert [name for name, value in outcome.items() if value is None] == [
        *("share", "copies", "behind_live_s", "first_picture_ms")
    ]
    assert results(window(Counts(), stayed=1), [unseen, STATS])["behind_live_s"] == 8.0


def run(share: float | None, idle: float) -> dict[str, float | None]:
    return {**dict.fromkeys(MEASURES, 0.0), "share": share, "idle_pct": idle}


def test_runs_on_a_busy_machine_do_not_count() -> None:
    runs = [run(0.8, 30), run(0.2, MIN_IDLE_PCT - 1), run(0.9, 20), run(None, 20)]
    outcome = summary(runs)
    assert outcome["share"] == pytest.approx(0.85)
    assert (outcome["counted"], outcome["too_busy"]) == (3, 1)
    assert outcome["runs"] == runs
    assert "share" not in summary(runs[1:2])

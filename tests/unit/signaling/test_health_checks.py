import pytest

from shoal.api_types import BytesBySource
from shoal.problems import Problems
from shoal.signaling.stats.health_checks import REPORT_AFTER_S, HealthChecks, Observation
from shoal.signaling.stats.totals import Totals

SHARING = BytesBySource(p2p=80_000_000, store=20_000_000)
BARELY = BytesBySource(p2p=30_000_000, store=70_000_000)


def codes(
    totals: Totals,
    *,
    live: bool = True,
    has_broadcaster: bool = True,
    watches: bool = True,
    least: float = 0.5,
    after_s: float = 61.0,
) -> list[str]:
    """Return the problems after one state has lasted."""
    problems = Problems()
    checks = HealthChecks(problems, least, 0)
    observed = Observation(totals, live, has_broadcaster, watches)
    checks.check(observed, 0)
    checks.check(observed, after_s)
    return [problem.code for problem in problems.standing()]


def test_a_station_that_shares_has_no_problems() -> None:
    assert codes(Totals(viewers=9, peers=8, recent=SHARING)) == []
    assert codes(Totals()) == []


def test_several_viewers_without_a_link() -> None:
    alone = Totals(viewers=3, not_sharing=1)
    assert codes(alone) == ["no_links"]
    assert codes(alone, after_s=REPORT_AFTER_S["no_links"] - 1) == []
    assert codes(Totals(viewers=2)) == []
    assert codes(Totals(viewers=3, peers=1)) == []
    assert codes(alone, live=False) == []
    assert codes(alone, watches=False) == []


@pytest.mark.parametrize(
    ("viewers", "not_sharing", "recent", "least", "said"),
    [
        (9, 0, BARELY, 0.5, True),
        (9, 0, SHARING, 0.5, False),
        (9, 0, BARELY, 0.3, False),
        (9, 0, BARELY, 0.0, False),
        (4, 0, BARELY, 0.5, False),  # too few viewers
        (9, 5, BARELY, 0.5, False),
        (9, 0, BytesBySource(store=4_000_000), 0.5, False),  # too few bytes
    ],
)
def test_a_share_under_the_threshold(
    viewers: int, not_sharing: int, recent: BytesBySource, least: float, *, said: bool
) -> None:
    totals = Totals(viewers=viewers, peers=viewers, not_sharing=not_sharing, recent=recent)
    assert codes(totals, least=least) == (["share_low"] if said else [])
    assert codes(totals, least=least, after_s=59) == []


def test_a_broadcaster_that_is_gone() -> None:
    assert codes(Totals(), has_broadcaster=False) == ["broadcaster"]
    assert codes(Totals(), has_broadcaster=False, after_s=59) == []
    assert codes(Totals(), has_broadcaster=False, watches=False) == []


def test_a_problem_clears_and_its_delay_starts_over() -> None:
    problems = Problems()
    checks = HealthChecks(problems, 0.5, 0)
    alone, well = Totals(viewers=3), Totals(viewers=3, peers=3)
    for now, totals in ((0, alone), (29, well), (40, alone), (69, alone)):
        checks.check(Observation(totals, True, True, True), now)
        assert problems.status == "ok"
    checks.check(Observation(alone, True, True, True), 70)
    assert problems.status == "degraded"
    checks.check(Observation(well, True, True, True), 71)
    assert problems.standing() == []
    checks.check_cluster("Redis is gone")
    assert [problem.message for problem in problems.standing()] == ["Redis is gone"]
    checks.check_cluster(None)
    assert problems.status == "ok"

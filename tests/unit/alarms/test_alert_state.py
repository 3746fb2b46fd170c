import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.alarms.alert_state import OVER_AFTER_S, RAISE_AFTER_S, RETRY_MOST_S, Alarms, News
from shoal.problems import Problem, Severity


def problem(message: str = "it fails", code: str = "store", since: str = "begun") -> Problem:
    return Problem(code, message, since)


def told(alarms: Alarms, now: float) -> News:
    """The news of that moment, which are heard."""
    news = alarms.next(now)
    assert isinstance(news, News)
    alarms.told(news)
    return news


def test_a_problem_is_told_once_and_so_is_its_end() -> None:
    alarms = Alarms()
    alarms.raised(problem(), "degraded", 0)
    assert alarms.next(0) == RAISE_AFTER_S
    alarms.raised(problem("it fails still", since="later"), "degraded", RAISE_AFTER_S)
    assert told(alarms, RAISE_AFTER_S) == News("raised", "degraded", problem("it fails still"))
    alarms.raised(problem(), "degraded", 1000)
    assert alarms.next(1000) == math.inf
    alarms.over("store", 1000)
    assert alarms.next(1000) == OVER_AFTER_S
    assert told(alarms, 1000 + OVER_AFTER_S) == News("over", "degraded", problem())
    assert alarms.next(9999) == math.inf


def test_what_heals_at_once_is_no_news() -> None:
    alarms = Alarms()
    alarms.raised(problem(), "failing", 0)
    alarms.over("store", RAISE_AFTER_S / 2)
    assert alarms.next(1000) == math.inf


def test_one_that_flaps_is_told_twice_in_all() -> None:
    alarms, heard = Alarms(), list[str]()
    for second in range(600):
        if second % 4 == 0:
            alarms.raised(problem(), "degraded", second)
        elif second % 4 == 2:
            alarms.over("store", second)
        news = alarms.next(second)
        if isinstance(news, News):
            heard.append(news.state)
            alarms.told(news)
    assert heard == ["raised"]
    assert told(alarms, 600 + OVER_AFTER_S).state == "over"


def test_what_grows_worse_is_told_again() -> None:
    alarms = Alarms()
    alarms.raised(problem(), "degraded", 0)
    assert told(alarms, 10).severity == "degraded"
    alarms.raised(problem(), "failing", 20)
    assert told(alarms, 20).severity == "failing"
    alarms.raised(problem(), "degraded", 30)
    assert alarms.next(30) == math.inf


def test_what_cannot_be_told_is_tried_again_ever_more_seldom() -> None:
    alarms, now, tries = Alarms(), 10.0, list[float]()
    alarms.raised(problem(), "degraded", 0)
    while now < 5000:
        news = alarms.next(now)
        if isinstance(news, News):
            tries.append(now)
            alarms.failed(news, now)
        else:
            now += news
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == RETRY_MOST_S


def test_the_end_of_what_was_tried_to_be_told_is_told() -> None:
    alarms = Alarms()
    alarms.raised(problem(), "degraded", 0)
    news = alarms.next(10)
    assert isinstance(news, News)
    alarms.failed(news, 10)
    alarms.over("store", 10.5)
    assert told(alarms, 10.5 + OVER_AFTER_S).state == "over"


Step = tuple[str, Severity | None, bool, float]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["store", "bypass"]),
            st.sampled_from(["degraded", "failing", None]),
            st.booleans(),
            st.floats(0, 90),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_last_state_is_known_in_the_end(steps: list[Step]) -> None:
    alarms, now = Alarms(), 0.0
    standing: dict[str, Severity] = {}
    known: dict[str, str] = {}
    for code, severity, works, pause_s in steps:
        if severity is not None:
            standing[code] = severity
            alarms.raised(problem(code=code), severity, now)
        elif standing.pop(code, None):
            alarms.over(code, now)
        news = alarms.next(now)
        if isinstance(news, News):
            known[news.problem.code] = news.state  # it may be heard though we do not learn of it
            (alarms.told(news) if works else alarms.failed(news, now))
        now += pause_s
    last = known
    while True:
        news = alarms.next(now)
        if isinstance(news, News):
            last[news.problem.code] = news.state
            alarms.told(news)
        elif news == math.inf:
            break
        else:
            now += news
    assert {code for code, state in last.items() if state == "raised"} == set(standing)


@pytest.mark.parametrize("again", [True, False])
def test_what_comes_back_while_its_end_is_told_is_raised_anew(*, again: bool) -> None:
    alarms = Alarms()
    alarms.raised(problem(), "degraded", 0)
    told(alarms, 10)
    alarms.over("store", 20)
    news = alarms.next(20 + OVER_AFTER_S)
    assert isinstance(news, News)
    if again:
        alarms.raised(problem(since="again"), "degraded", 81)
    alarms.told(news)
    if again:
        assert told(alarms, 81 + RAISE_AFTER_S).state == "raised"
    assert alarms.next(200) == math.inf

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.alarms.alert_state import MAX_RETRY_S, OVER_AFTER_S, RAISE_AFTER_S, Alert, AlertState
from shoal.problems import Problem, Severity


def problem(message: str = "it fails", code: str = "store", since: str = "begun") -> Problem:
    return Problem(code, message, since)


def send_next(alerts: AlertState, now: float) -> Alert:
    """Return the alert that is due, and mark it as sent."""
    alert = alerts.next_alert(now)
    assert isinstance(alert, Alert)
    alerts.mark_sent(alert)
    return alert


def test_one_alert_when_a_problem_is_raised_and_one_when_it_is_over() -> None:
    alerts = AlertState()
    alerts.problem_raised(problem(), "degraded", 0)
    assert alerts.next_alert(0) == RAISE_AFTER_S
    alerts.problem_raised(problem("it fails still", since="later"), "degraded", RAISE_AFTER_S)
    assert send_next(alerts, RAISE_AFTER_S) == Alert(
        "raised", "degraded", problem("it fails still")
    )
    alerts.problem_raised(problem(), "degraded", 1000)
    assert alerts.next_alert(1000) == math.inf
    alerts.problem_over("store", 1000)
    assert alerts.next_alert(1000) == OVER_AFTER_S
    assert send_next(alerts, 1000 + OVER_AFTER_S) == Alert("over", "degraded", problem())
    assert alerts.next_alert(9999) == math.inf


def test_a_short_problem_gives_no_alert() -> None:
    alerts = AlertState()
    alerts.problem_raised(problem(), "failing", 0)
    alerts.problem_over("store", RAISE_AFTER_S / 2)
    assert alerts.next_alert(1000) == math.inf


def test_a_problem_that_flaps_gives_two_alerts_in_all() -> None:
    alerts, states = AlertState(), list[str]()
    for second in range(600):
        if second % 4 == 0:
            alerts.problem_raised(problem(), "degraded", second)
        elif second % 4 == 2:
            alerts.problem_over("store", second)
        alert = alerts.next_alert(second)
        if isinstance(alert, Alert):
            states.append(alert.state)
            alerts.mark_sent(alert)
    assert states == ["raised"]
    assert send_next(alerts, 600 + OVER_AFTER_S).state == "over"


def test_a_problem_that_gets_worse_gives_another_alert() -> None:
    alerts = AlertState()
    alerts.problem_raised(problem(), "degraded", 0)
    assert send_next(alerts, 10).severity == "degraded"
    alerts.problem_raised(problem(), "failing", 20)
    assert send_next(alerts, 20).severity == "failing"
    alerts.problem_raised(problem(), "degraded", 30)
    assert alerts.next_alert(30) == math.inf


def test_failed_alerts_are_retried_after_growing_pauses() -> None:
    alerts, now, tries = AlertState(), 10.0, list[float]()
    alerts.problem_raised(problem(), "degraded", 0)
    while now < 5000:
        alert = alerts.next_alert(now)
        if isinstance(alert, Alert):
            tries.append(now)
            alerts.mark_failed(alert, now)
        else:
            now += alert
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == MAX_RETRY_S


def test_the_end_is_sent_even_if_the_first_alert_failed() -> None:
    alerts = AlertState()
    alerts.problem_raised(problem(), "degraded", 0)
    alert = alerts.next_alert(10)
    assert isinstance(alert, Alert)
    alerts.mark_failed(alert, 10)
    alerts.problem_over("store", 10.5)
    assert send_next(alerts, 10.5 + OVER_AFTER_S).state == "over"


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
def test_in_the_end_the_operator_knows_the_last_state(steps: list[Step]) -> None:
    alerts, now = AlertState(), 0.0
    standing: dict[str, Severity] = {}
    known: dict[str, str] = {}
    for code, severity, works, pause_s in steps:
        if severity is not None:
            standing[code] = severity
            alerts.problem_raised(problem(code=code), severity, now)
        elif standing.pop(code, None):
            alerts.problem_over(code, now)
        alert = alerts.next_alert(now)
        if isinstance(alert, Alert):
            known[alert.problem.code] = alert.state  # it may arrive without our knowing
            (alerts.mark_sent(alert) if works else alerts.mark_failed(alert, now))
        now += pause_s
    last = known
    while True:
        alert = alerts.next_alert(now)
        if isinstance(alert, Alert):
            last[alert.problem.code] = alert.state
            alerts.mark_sent(alert)
        elif alert == math.inf:
            break
        else:
            now += alert
    assert {code for code, state in last.items() if state == "raised"} == set(standing)


@pytest.mark.parametrize("again", [True, False])
def test_a_problem_that_returns_while_its_end_is_sent_is_raised_again(*, again: bool) -> None:
    alerts = AlertState()
    alerts.problem_raised(problem(), "degraded", 0)
    send_next(alerts, 10)
    alerts.problem_over("store", 20)
    alert = alerts.next_alert(20 + OVER_AFTER_S)
    assert isinstance(alert, Alert)
    if again:
        alerts.problem_raised(problem(since="again"), "degraded", 81)
    alerts.mark_sent(alert)
    if again:
        assert send_next(alerts, 81 + RAISE_AFTER_S).state == "raised"
    assert alerts.next_alert(200) == math.inf

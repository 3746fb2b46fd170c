from hypothesis import given
from hypothesis import strategies as st

from shoal.token_bucket import TokenBucket


def test_a_burst_passes_and_then_the_rate() -> None:
    bucket = TokenBucket(5.0, 50.0, 0.0)
    assert sum(bucket.take(0.0) for _ in range(1_000)) == 50
    assert [bucket.take(at) for at in (0.1, 0.2, 0.2, 0.4)] == [False, True, False, True]
    assert sum(bucket.take(1_000.0) for _ in range(1_000)) == 50


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.5, 20), st.floats(1, 200))
def test_no_more_than_the_rate_and_a_burst_ever_pass(
    steps: list[float], rate: float, capacity: float
) -> None:
    bucket, now, passed = TokenBucket(rate, capacity, 0.0), 0.0, 0
    for step in steps:
        now += step
        passed += bucket.take(now)
        assert passed <= rate * now + capacity + 1e-6


def test_more_than_is_left_is_refused_and_uses_nothing() -> None:
    bucket = TokenBucket(1.0, 10.0, 0.0)
    assert bucket.take(0.0, 7)
    assert not bucket.take(0.0, 4)
    assert bucket.take(0.0, 3)


def test_what_is_spent_may_exceed_what_is_left_and_is_paid_back() -> None:
    bucket = TokenBucket(2.0, 10.0, 0.0)
    assert bucket.spend(0.0, 14) == -4
    assert not bucket.take(1.0)
    assert bucket.spend(3.0, 0) == 2

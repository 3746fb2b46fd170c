from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.seeding.process import BURST_S, UploadBudget


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0.01, 1.0))))
def test_uploads_stay_within_the_budget_and_a_burst(
    uploads: list[tuple[int, float]],
) -> None:
    rate = 50_000.0
    budget = UploadBudget(rate, 0.0)
    now_s, uploaded = 0.0, 0
    for requested, pause_s in uploads:
        now_s += pause_s
        # libtorrent keeps to the rate while it is limited
        size = min(requested, int(rate * pause_s)) if budget.limited else requested
        uploaded += size
        budget.spend(size, now_s)
        assert uploaded <= rate * (now_s + BURST_S) + 100_000
    budget.spend(0, now_s + 10 * BURST_S)
    assert not budget.limited

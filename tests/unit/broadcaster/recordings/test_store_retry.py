import stamina

from shoal.broadcaster.metrics import STORE_ERRORS
from shoal.broadcaster.recordings.store_retry import StoreRetry
from shoal.broadcaster.store import StoreError
from shoal.problems import Problems

FAILURES = 100


def errors_counted() -> float:
    [metric] = STORE_ERRORS.collect()
    return next(s.value for s in metric.samples if s.name.endswith("_total"))


async def test_a_request_is_retried_until_it_succeeds_and_the_problem_lasts_as_long() -> None:
    problems = Problems()
    messages: list[list[str]] = []

    async def request() -> str:
        messages.append([problem.message for problem in problems.standing()])
        if len(messages) <= FAILURES:
            raise StoreError(f"failure {len(messages)}")
        return "done"

    before = errors_counted()
    with stamina.set_testing(True, attempts=FAILURES + 1):
        assert await StoreRetry(problems, "replay_store").call(request) == "done"
    assert messages == [[], *([f"replay: failure {n}"] for n in range(1, FAILURES + 1))]
    assert problems.standing() == []
    assert errors_counted() - before == FAILURES

from shoal.backoff import MIN_JITTER, Backoff


def within(pause_s: float, delay_s: float) -> bool:
    return MIN_JITTER * delay_s <= pause_s <= delay_s


def test_pauses_double_up_to_the_maximum() -> None:
    backoff = Backoff(0.5, 3.0)
    for delay_s in (0.5, 1.0, 2.0, 3.0, 3.0, 3.0):
        assert within(backoff.next_s(), delay_s)


def test_a_success_starts_over() -> None:
    backoff = Backoff(0.5, 30.0)
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert within(backoff.next_s(), 0.5)


def test_pauses_of_clients_that_failed_together_differ() -> None:
    assert len({Backoff(1.0, 1.0).next_s() for _ in range(20)}) > 1


async def test_wait_sleeps() -> None:
    await Backoff(0.001, 0.001).wait()

from shoal.signaling.rooms.abuse_reports import BARRED_S, Barred


def test_an_address_is_barred_for_a_while() -> None:
    barred = Barred()
    assert barred.left_s("10.0.0.1", 100.0) == 0
    barred.add("10.0.0.1", 100.0)
    assert barred.left_s("10.0.0.1", 100.0) == BARRED_S
    assert barred.left_s("10.0.0.1", 160.0) == BARRED_S - 60
    assert barred.left_s("10.0.0.1", 100.0 + BARRED_S) == 0
    assert barred.left_s("10.0.0.2", 100.0) == 0


def test_barred_addresses_are_forgotten_in_time() -> None:
    barred = Barred()
    for number in range(1_000):
        barred.add(str(number), now=number)
    assert sum(barred.left_s(str(number), 999) > 0 for number in range(1_000)) == BARRED_S
    assert len(vars(barred)["_until"]) <= BARRED_S + 1

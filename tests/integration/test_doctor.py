"""`shoal doctor` on a real station: one thing at a time is broken, named, healed, and ok again."""

from collections.abc import Iterator

import pytest

from tests.integration.doctor.cases import Case
from tests.integration.doctor.earlier import EARLIER
from tests.integration.doctor.host import BYPASS, HOST
from tests.integration.doctor.routes import ROUTES
from tests.integration.doctor.sharing import SHARING
from tests.integration.doctor.video import VIDEO
from tests.support.faulty_station import FaultyStation, faulty_station

CASES = (*EARLIER, *ROUTES, *VIDEO, *SHARING, *HOST)
SMOKE = frozenset(case.name for case in EARLIER[:4] + EARLIER[5:]) | {"no ranges"}
NOT_HERE = ("owncast passwords", "owncast storage", "edge features", "name", "certificate", "stun")
"""checks that a local station skips when it is well: it has no such thing"""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def ill() -> Iterator[FaultyStation]:
    with faulty_station() as found:
        yield found


def test_nothing_is_wrong_with_a_station_that_is_well(ill: FaultyStation) -> None:
    for place in (True, False):
        seen = ill.doctor(place=place)
        assert seen.broken == {}
        assert seen.status == 0
        assert seen.checks["exchange"]["state"] == "ok"
        assert seen.checks["magnet"]["state"] == "ok"
        assert (seen.checks["hls folder"]["state"] == "ok") is place


@pytest.mark.long
def test_what_is_no_fault_yet_is_a_warning(ill: FaultyStation) -> None:
    with BYPASS.harm(ill):
        seen = ill.doctor()
    assert seen.checks[BYPASS.check]["state"] == "warning"
    assert BYPASS.saw in seen.checks[BYPASS.check]["saw"]
    assert seen.status == 0


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.name in SMOKE else [pytest.mark.long])
        for case in CASES
    ],
)
def test_a_fault_is_named_and_healed(ill: FaultyStation, case: Case) -> None:
    with case.harm(ill):
        seen = ill.doctor()
    found = seen.checks[case.check]
    assert found["state"] == "broken", seen.broken
    assert case.saw in found["saw"]
    assert seen.status == 1
    healed = ill.doctor()
    assert healed.broken == {}
    assert healed.status == 0
    assert healed.checks[case.check]["state"] == ("skipped" if case.check in NOT_HERE else "ok")

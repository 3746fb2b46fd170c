"""`shoal doctor` on a real station: it reports each fault while it is there, and no longer."""

from collections.abc import Iterator

import pytest

from tests.integration.doctor.cases import Case
from tests.integration.doctor.earlier_station import EARLIER_STATION
from tests.integration.doctor.host import BYPASS, HOST
from tests.integration.doctor.routes import ROUTES
from tests.integration.doctor.sharing import SHARING
from tests.integration.doctor.video import VIDEO
from tests.support.faulty_station import FaultyStation, faulty_station

CASES = (*EARLIER_STATION, *ROUTES, *VIDEO, *SHARING, *HOST)
SMOKE = frozenset(case.name for case in EARLIER_STATION[:4] + EARLIER_STATION[5:]) | {"no ranges"}
SKIPPED_LOCALLY = (
    "owncast passwords",
    "owncast storage",
    "edge features",
    "name",
    "certificate",
    "stun",
)
"""checks that a healthy local station skips: they do not apply to it"""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyStation]:
    with faulty_station() as found:
        yield found


def test_a_healthy_station_has_no_fault(faulty: FaultyStation) -> None:
    for on_host in (True, False):
        seen = faulty.doctor(place=on_host)
        assert seen.broken == {}
        assert seen.status == 0
        assert seen.checks["exchange"]["state"] == "ok"
        assert seen.checks["magnet"]["state"] == "ok"
        assert (seen.checks["hls folder"]["state"] == "ok") is on_host


@pytest.mark.long
def test_viewers_of_owncasts_playlist_are_a_warning(faulty: FaultyStation) -> None:
    with BYPASS.inject(faulty):
        seen = faulty.doctor()
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
def test_a_fault_is_reported_until_it_is_undone(faulty: FaultyStation, case: Case) -> None:
    with case.inject(faulty):
        seen = faulty.doctor()
    found = seen.checks[case.check]
    assert found["state"] == "broken", seen.broken
    assert case.saw in found["saw"]
    assert seen.status == 1
    repaired = faulty.doctor()
    assert repaired.broken == {}
    assert repaired.status == 0
    assert repaired.checks[case.check]["state"] == (
        "skipped" if case.check in SKIPPED_LOCALLY else "ok"
    )

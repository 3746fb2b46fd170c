import msgspec
import pytest

from shoal.api_types import CounterHistory
from shoal.ops.service_status import service_statuses
from tests.unit.ops.samples import counts

NOW = 1_900_000_000
AT = "2030-03-17T17:46:40+00:00"
HEALTHS = {
    "broadcaster": msgspec.Raw(b'{"status":"failing","problems":[{"code":"store","message":"m"}]}'),
    "gateway": msgspec.Raw(b'{"status":"ok"}'),
}


def test_each_service_has_its_uptime_and_request_rate() -> None:
    started = {"broadcaster": "2030-03-17T17:46:10+00:00", "signaling": None, "site": AT}
    rows = [
        counts(NOW - 7200, site_requests=0),
        counts(NOW - 300, site_requests=6000),
        counts(NOW, site_requests=7200),
    ]
    statuses = service_statuses(HEALTHS, CounterHistory(started, rows), AT)
    assert statuses["broadcaster"].status == "failing"
    assert [problem.code for problem in statuses["broadcaster"].problems] == ["store"]
    assert statuses["broadcaster"].uptime_s == 30
    assert statuses["site"].status == "ok"
    assert statuses["site"].requests_per_s == 4
    assert statuses["site"].requests_per_s_day == 1
    assert statuses["gateway"].requests_per_s is None
    assert statuses["gateway"].uptime_s is None


@pytest.mark.parametrize("rows", [0, 1])
def test_without_history_there_is_no_rate(rows: int) -> None:
    counters = CounterHistory({}, [counts(NOW)] * rows) if rows else None
    assert service_statuses(HEALTHS, counters, AT)["broadcaster"].requests_per_s is None

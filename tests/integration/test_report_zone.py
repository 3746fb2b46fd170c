"""What Cloudflare's analytics add to a report, with a stand-in for Cloudflare."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from shoal.errors import OperatorError
from shoal.ops.findings import collect_findings
from shoal.ops.report import find_zone
from shoal.ops.report_model import ReportInputs, ZoneCount, build_report
from shoal.ops.zone_analytics import ZoneAccess, fetch_edge_bytes
from tests.support.cloudflare import CloudflareStandIn, cloudflare_stand_in
from tests.unit.ops.samples import columns
from tests.unit.ops.test_report import station

ZONE, TOKEN, HOST = "0123456789abcdef", "analytics token", "media.example.org"
SINCE = datetime(2030, 3, 17, 17, 46, 30, tzinfo=UTC)
UNTIL = datetime(2030, 3, 17, 18, 46, 30, tzinfo=UTC)


@pytest_asyncio.fixture
async def cloudflare() -> AsyncGenerator[CloudflareStandIn]:
    async with cloudflare_stand_in(ZONE, TOKEN) as standing_in:
        yield standing_in


async def query(cloudflare: CloudflareStandIn, **changed: str) -> ZoneCount | str:
    return await fetch_edge_bytes(
        ZoneAccess(
            zone=changed.get("zone", ZONE),
            token=changed.get("token", TOKEN),
            api=changed.get("api", cloudflare.url),
        ),
        HOST,
        SINCE,
        UNTIL,
    )


async def test_the_edge_is_queried_for_one_hostname_and_time(
    cloudflare: CloudflareStandIn,
) -> None:
    cloudflare.sent = {HOST: 5_000, "tv.example.org": 7}
    cloudflare.sample_interval = 10.0
    assert await query(cloudflare) == ZoneCount(
        host=HOST, since="2030-03-17T17:46:30+00:00", bytes=5_000, requests=12, sampled=True
    )
    assert cloudflare.asked == [
        {
            "zone": ZONE,
            "host": HOST,
            "since": "2030-03-17T17:46:30Z",
            "until": "2030-03-17T18:46:30Z",
        }
    ]


async def test_an_edge_that_sent_nothing_is_not_a_fault(cloudflare: CloudflareStandIn) -> None:
    nothing = await query(cloudflare)
    assert isinstance(nothing, ZoneCount)
    assert (nothing.bytes, nothing.requests) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"token": "wrong"}, "answered 401: check that the token"),
        ({"zone": "another"}, "know no zone another"),
        ({"api": "http://127.0.0.1:9"}, "do not answer"),
    ],
)
async def test_obstacles_are_reported(
    cloudflare: CloudflareStandIn, changed: dict[str, str], message: str
) -> None:
    reason = await query(cloudflare, **changed)
    assert isinstance(reason, str)
    assert message in reason
    assert TOKEN not in reason


@pytest.mark.parametrize(("edge", "agree"), [(41_000_000, True), (90_000_000, False)])
def test_it_is_compared_with_the_viewers_reports(edge: int, *, agree: bool) -> None:
    history = columns(at=[1_900_000_000], viewers=[3], p2p=[60_000_000], store=[40_000_000])
    zone = ZoneCount(
        host=HOST, since="2030-03-17T17:46:30+00:00", bytes=edge, requests=9, sampled=False
    )
    inputs = ReportInputs(
        url="https://tv.example.org",
        at="2030-03-17T17:46:45+00:00",
        station=station(),
        history=history,
        zone=zone,
    )
    report = build_report(inputs)
    assert report.zone is not None
    assert (report.zone.viewers_say, report.zone.agree) == (40_000_000, agree)
    warned = "\n".join(collect_findings(report).warnings)
    assert (f"Cloudflare sent 90.0 MB from {HOST}" in warned) == (not agree)
    unknown = build_report(msgspec.structs.replace(inputs, zone="it is down")).unknown
    assert "what the edge sent: it is down" in unknown


def test_a_zone_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENTIALS_DIRECTORY", "SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert find_zone(None, None) is None
    file = tmp_path / "token"
    file.write_text("theirs\n")
    assert find_zone(ZONE, file) == ZoneAccess(ZONE, "theirs")
    with pytest.raises(OperatorError, match="--zone-token-file"):
        find_zone(ZONE, None)
    with pytest.raises(OperatorError, match="--zone"):
        find_zone(None, file)
    monkeypatch.setenv("SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE", str(file))
    assert find_zone(ZONE, None) == ZoneAccess(ZONE, "theirs")

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from shoal.cli import main
from shoal.costs import prices
from shoal.ops.cost import show
from shoal.ops.cost_model import Column, Line, Load, egress_usd, estimate_cost


def load(
    viewers: int = 100, hours: float = 1, share: float = 0.8, segment_s: float = 4, kbps: int = 1920
) -> Load:
    return Load(viewers, hours, kbps, segment_s, share)


def line(column: Column, name: str) -> Line:
    (found,) = [line for line in column.lines if line.name == name]
    return found


def test_a_hundred_viewers_straight_from_ec2() -> None:
    direct = estimate_cost(load()).columns["ec2_direct"]
    assert line(direct, "EC2 to viewers").quantity == pytest.approx(86.4)
    assert round(direct.list_usd_per_hour, 2) == 7.78


def test_an_hour_costs_the_same_in_a_long_month() -> None:
    assert round(estimate_cost(load(hours=730)).columns["ec2_direct"].list_usd_per_hour, 2) == 7.78


def test_a_month_of_uploads_to_r2_is_ec2_egress() -> None:
    for name in ("r2", "r2_p2p"):
        upload = line(estimate_cost(load(hours=730)).columns[name], "EC2 to R2, the upload")
        assert upload.quantity == pytest.approx(630.72)
        assert upload.billed_usd == pytest.approx((630.72 - 100) * 0.09)  # about $48


def test_peers_change_the_source_of_bytes_but_hardly_the_price_of_r2() -> None:
    result = estimate_cost(load(hours=730, share=0.85))
    r2, p2p = result.columns["r2"], result.columns["r2_p2p"]
    watched = 86.4 * 730
    assert line(r2, "R2 to viewers").quantity == pytest.approx(watched)
    assert line(p2p, "R2 to viewers").quantity == pytest.approx(watched * 0.15)
    assert line(p2p, "peers to viewers").quantity == pytest.approx(watched * 0.85)
    assert p2p.billed_usd == pytest.approx(r2.billed_usd)
    assert p2p.billed_usd < result.columns["ec2_direct"].billed_usd / 50


def test_r2_rounds_requests_up_to_the_next_million() -> None:
    two_seconds = estimate_cost(load(viewers=1, hours=720, share=0, segment_s=2)).columns["r2"]
    writes = line(two_seconds, "R2 writes, class A")
    assert writes.quantity == 720 * (1800 + 60)  # 1.3 million
    assert writes.billed_usd == pytest.approx(4.50)  # two, one of them free
    assert writes.list_usd == pytest.approx(1.3392 * 4.50)
    reads = line(estimate_cost(load(hours=120)).columns["r2"], "R2 reads, class B")
    assert reads.quantity == pytest.approx(10_800_000)
    assert reads.billed_usd == pytest.approx(0.36)
    assert line(estimate_cost(load(hours=111)).columns["r2"], "R2 reads, class B").billed_usd == 0


def test_r2_rounds_storage_up_to_the_next_gigabyte() -> None:
    long_segments = estimate_cost(load(hours=700, kbps=60_000, segment_s=15)).columns["r2"]
    storage = line(long_segments, "R2 storage")
    assert storage.quantity == pytest.approx(60_000 / 8 * (120 * 15 + 60) / 1e6)  # 13.95 GB
    assert storage.billed_usd == pytest.approx(4 * 0.015)


def test_storage_is_at_most_what_was_broadcast() -> None:
    storage = line(estimate_cost(load(hours=0.01)).columns["r2"], "R2 storage")
    assert storage.quantity == pytest.approx(1920 / 8 * 36 / 1e6)


def test_ec2_gets_cheaper_tier_by_tier() -> None:
    assert egress_usd(10_240) == pytest.approx(921.6)
    assert egress_usd(51_200) == pytest.approx(921.6 + 40_960 * 0.085)
    assert egress_usd(200_000) == pytest.approx(921.6 + 3481.6 + 102_400 * 0.07 + 46_400 * 0.05)


def test_sums_add_up_the_lines() -> None:
    for column in estimate_cost(load(hours=500)).columns.values():
        assert column.list_usd == pytest.approx(sum(line.list_usd for line in column.lines))
        assert column.billed_usd == pytest.approx(sum(line.billed_usd for line in column.lines))


def test_the_deployment_guide_has_the_same_prices() -> None:
    page = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text()
    host = prices.host_month("t4g.small", 30)
    upload = line(estimate_cost(load(hours=730)).columns["r2"], "EC2 to R2, the upload").billed_usd
    assert [f"| {usd:.2f} |" in page for usd in (host, upload)] == [True, True]


def test_the_table_for_people() -> None:
    console = Console(file=io.StringIO(), width=100)
    show(estimate_cost(load()), console)
    assert isinstance(console.file, io.StringIO)
    text = " ".join(console.file.getvalue().split())
    for expected in ("86.4 GB", "$7.78", "EC2 direct", "R2 only", "R2 + P2P", prices.AS_OF):
        assert expected in text
    assert "peers save few dollars" in text


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["cost", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("bitrate", ["1.92", "1920", "1920k", "1.92M"])
def test_bitrates_may_be_written_as_people_do(
    capsys: pytest.CaptureFixture[str], bitrate: str
) -> None:
    assert printed(capsys, "--viewers", "2", "--bitrate", bitrate)["bitrate_kbps"] == 1920


def test_the_default_share_is_what_few_viewers_can_reach(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, "--viewers", "1")["share"] == 0
    assert printed(capsys, "--viewers", "2")["share"] == 0.5
    assert printed(capsys, "--viewers", "100")["share"] == 0.8
    assert printed(capsys, "--viewers", "100", "--share", "90%")["share"] == 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--viewers", "0"), "--viewers must be 1 or more"),
        (("--viewers", "2", "--share", "0.8"), "50.0% at most"),
        (("--viewers", "2", "--share", "nan"), "not possible"),
        (("--viewers", "9", "--hours", "8760"), "one month"),
        (("--viewers", "9", "--hours", "0"), "one month"),
        (("--viewers", "9", "--segment-seconds", "0"), "more than 0"),
    ],
)
def test_impossible_loads(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main(["cost", *arguments]) == 1
    assert message in capsys.readouterr().err

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from shoal.api_types import (
    BytesBySource,
    CountingSince,
    Ec2Video,
    OperatorStation,
    PublicStation,
    ReplayTotals,
)
from shoal.errors import OperatorError
from shoal.ops.client import Target
from shoal.ops.findings import collect_findings
from shoal.ops.report import find_target
from shoal.ops.report_document import build_document
from shoal.ops.report_model import ReportInputs, ReportModel, StoreCounter, build_report
from shoal.ops.report_text import show

URL, AT = "http://127.0.0.1:8888", "2030-01-01T00:00:00+00:00"


def station(services: int | None = 0, gateway: int | None = 0) -> OperatorStation:
    return OperatorStation(
        live=True,
        viewers=3,
        peers=3,
        not_sharing=0,
        share=0.661,
        bytes=BytesBySource(p2p=6_000_000, store=4_000_000, seed=0),
        startup=BytesBySource(store=1_000_000),
        recent=BytesBySource(p2p=5_900_000, store=3_000_000),
        uploaded=6_000_000,
        stalls=1,
        latency_s=8.25,
        chunks=12,
        rooms=1,
        replays=ReplayTotals(),
        ec2_video=Ec2Video(services, gateway),
        cost=None,
        store_sent=4_100_000,
        since=CountingSince(AT, AT, AT, AT),
        services={
            "broadcaster": msgspec.Raw(b'{"status":"ok","chunks":12}'),
            "signaling": msgspec.Raw(b'{"status":"ok"}'),
        },
    )


def report(station: OperatorStation | PublicStation, **inputs: Any) -> ReportModel:
    return build_report(ReportInputs(url=URL, at=AT, station=station, **inputs))


def shown(report: ReportModel) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(build_document(report), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_replays_are_separate_except_in_the_stores_count() -> None:
    plain = station()
    assert "Replays" not in shown(report(plain))
    watched = ReplayTotals(viewers=2, bytes=BytesBySource(30_000_000, 70_000_000, 0))
    both = msgspec.structs.replace(plain, replays=watched, store_sent=74_100_000)
    built = report(both)
    assert built.share == plain.share
    assert built.store_counter == StoreCounter(74_100_000, agree=True)
    assert "30.0%" in shown(built).split("Replays")[1]
    unwatched = msgspec.structs.replace(plain, store_sent=74_100_000)
    assert report(unwatched).store_counter == StoreCounter(74_100_000, agree=False)


def local_station(data: Path, token: str = "local token") -> None:
    (data / "secrets").mkdir(parents=True)
    (data / "local.json").write_text(f'{{"gateway": "{URL}"}}')
    (data / "secrets" / "operator_token").write_text(token + "\n")


def test_the_table_has_bytes_and_percentage_of_each_source() -> None:
    text = shown(report(station()))
    flat = " ".join(text.split())
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "0 bytes" in rows["EC2"]
    assert "0.0%" in rows["EC2"]
    assert "4.0 MB" in rows["R2 (store)"]
    assert "40.0%" in rows["R2 (store)"]
    assert "1.0 MB" in rows["R2 (store)"]
    assert "60.0%" in rows["peers"]
    assert "torrent seed" in rows
    assert "peers' share: 66.1%" in text
    assert "without the bytes of viewers' start-up" in text
    assert "live, 3 viewers" in text
    assert "4.1 MB" in rows["R2 (store)"]
    assert "3 of 3 viewers have a link to another viewer, 0 cannot or may not share" in flat
    assert "viewers' reports 2030-01-01 00:00:00 UTC" in flat
    assert "WARNING" not in text


@pytest.mark.parametrize(
    ("services", "gateway", "ec2", "agree"),
    [
        (0, 0, 0, True),
        (10**6, 2 * 10**6, 2 * 10**6, False),
        (2 * 10**6, 10**6, 2 * 10**6, False),
        (5 * 10**8, 501 * 10**6, 501 * 10**6, True),
        (3, None, 3, None),
        (None, 4, 4, None),
    ],
)
def test_the_larger_of_two_counts_of_ec2_is_reported(
    services: int | None, gateway: int | None, ec2: int, agree: bool | None
) -> None:
    built = report(station(services, gateway))
    assert built.bytes is not None
    assert built.ec2_video is not None
    assert built.bytes.ec2_video == ec2
    assert built.ec2_video.agree is agree
    warned = "\n".join(collect_findings(built).warnings)
    assert ("two counts of video through EC2 differ" in warned) == (agree is False)
    assert ("it should be 0" in warned) == (ec2 > 0)
    assert ("is not counted" in warned) == (services is None)


def changed(**changes: Any) -> OperatorStation:
    return msgspec.structs.replace(station(), **changes)


def warnings(station: OperatorStation) -> str:
    return "\n".join(collect_findings(report(station)).warnings)


def test_viewers_without_a_single_link_are_a_warning() -> None:
    assert "3 viewers, but not a single link" in warnings(changed(peers=0))
    assert "2 cannot or may not share" in warnings(changed(peers=0, not_sharing=2))
    assert warnings(changed(peers=0, viewers=1)) == ""
    assert warnings(changed(peers=2)) == ""


@pytest.mark.parametrize(
    ("p2p", "store", "not_sharing", "warned"),
    [
        (0, 9_000_000, 0, True),
        (2_900_000, 6_100_000, 0, True),
        (3_100_000, 5_900_000, 0, False),
        (0, 4_000_000, 0, False),  # too little to tell
        (2_900_000, 6_100_000, 1, False),  # two can share: up to a half
        (0, 9_000_000, 2, False),  # one alone cannot share
        (0, 9_000_000, 3, False),
    ],
)
def test_a_share_far_below_what_peers_could_carry_is_a_warning(
    p2p: int, store: int, not_sharing: int, *, warned: bool
) -> None:
    lately = BytesBySource(p2p=p2p, store=store)
    lines = warnings(changed(recent=lately, not_sharing=not_sharing))
    assert ("of a possible" in lines) == warned


@pytest.mark.parametrize(
    ("sent", "claimed", "agree"),
    [
        (0, 0, True),
        (9_000_000, 0, True),  # viewers report every 10 s
        (200_000_000, 185_000_000, True),
        (200_000_000, 170_000_000, False),
        (0, 50_000_000, False),
    ],
)
def test_the_stores_own_counter_is_compared_with_the_viewers_reports(
    sent: int, claimed: int, *, agree: bool
) -> None:
    counted = changed(store_sent=sent, bytes=BytesBySource(store=claimed))
    assert report(counted).store_counter == StoreCounter(sent, agree)
    assert ("the store sent" in warnings(counted)) == (not agree)


def test_counters_that_started_at_different_times_are_not_compared() -> None:
    later = CountingSince(AT, AT, AT, "2030-01-01T02:00:00+00:00")
    counted = changed(store_sent=0, bytes=BytesBySource(store=50_000_000), since=later)
    assert report(counted).store_counter == StoreCounter(0, None)
    assert warnings(counted) == ""
    assert "cannot be compared" in "\n".join(collect_findings(report(counted)).facts)
    assert report(changed(store_sent=None)).store_counter is None


def test_unknown_values_are_not_shown_as_zero() -> None:
    unknown = msgspec.structs.replace(
        station(None, None),
        live=None,
        viewers=None,
        peers=None,
        not_sharing=None,
        share=None,
        bytes=None,
        startup=None,
        recent=None,
        chunks=None,
        store_sent=None,
        since=CountingSince(None, None, None, None),
        services={"signaling": msgspec.Raw(b'{"status":"unreachable"}')},
    )
    text = shown(report(unknown))
    assert "0 bytes" not in text
    assert "the last 24 hours" not in text
    assert "signaling does not answer" in text
    assert "signaling is unreachable" in text


def test_without_the_token_the_report_says_what_is_not_known() -> None:
    text = shown(report(PublicStation(live=False, viewers=0, share=None)))
    assert "offline, 0 viewers" in text
    assert "this needs the operator's token" in " ".join(text.split())
    assert "torrent seed" not in text  # no table of unknown values
    assert "100 viewers for an hour" in text


def test_the_local_station_and_its_token_are_the_default(tmp_path: Path) -> None:
    local_station(tmp_path)
    assert find_target(None, tmp_path, None) == Target(URL, "local token")
    assert find_target(URL + "/", tmp_path, None) == Target(URL, "local token")


def test_another_station_never_gets_the_local_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOAL_OPERATOR_TOKEN_FILE", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    local_station(tmp_path)
    url = "https://tv.example"
    assert find_target(url, tmp_path, None) == Target(url, None)
    token_file = tmp_path / "token"
    token_file.write_text("theirs\n")
    assert find_target(url, tmp_path, token_file) == Target(url, "theirs")
    monkeypatch.setenv("SHOAL_OPERATOR_TOKEN_FILE", str(token_file))
    assert find_target(url, tmp_path, None) == Target(url, "theirs")


@pytest.mark.parametrize("spoil", ["missing", "no json", "empty token", "no token"])
def test_obstacles_are_one_line(tmp_path: Path, spoil: str) -> None:
    if spoil != "missing":
        local_station(tmp_path)
    if spoil == "no json":
        (tmp_path / "local.json").write_text("{")
    elif spoil == "empty token":
        (tmp_path / "secrets" / "operator_token").write_text("")
    elif spoil == "no token":
        (tmp_path / "secrets" / "operator_token").unlink()
    with pytest.raises(OperatorError) as error:
        find_target(None, tmp_path, None)
    assert "\n" not in str(error.value)

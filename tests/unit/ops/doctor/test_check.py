"""A check that hangs, fails or lacks something ends as a result, and holds nobody up."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from shoal import cli
from shoal.errors import OperatorError
from shoal.ops.doctor import host_discovery
from shoal.ops.doctor.check import (
    Diagnosis,
    Finding,
    NoAnswerError,
    NotKnownError,
    Result,
    broken,
    ok,
    warning,
)
from shoal.ops.doctor.checks import Check, make_all
from shoal.ops.doctor.doctor import CHECKS, origin_of, show
from shoal.ops.doctor.probe_context import Answer, Visit
from tests.support.station import free_port


def raising(error: Exception) -> Callable[[Visit], Awaitable[Finding]]:
    async def look(_visit: Visit) -> Finding:
        raise error

    return look


def saying(finding: Finding) -> Callable[[Visit], Awaitable[Finding]]:
    async def look(_visit: Visit) -> Finding:
        return finding

    return look


async def hanging(_visit: Visit) -> Finding:
    await asyncio.sleep(60)
    return ok("never")


async def results(*looks: Callable[[Visit], Awaitable[Finding]]) -> list[Result]:
    async with aiohttp.ClientSession() as session:
        visit = Visit("http://127.0.0.1:9", session, None)
        checks = [Check(str(n), "why", look, 0.2) for n, look in enumerate(looks)]
        return list(await make_all(checks, visit))


async def test_every_way_to_end_is_a_result_in_the_order_of_the_checks() -> None:
    states = [
        result.state
        for result in await results(
            saying(ok("fine")),
            hanging,
            raising(NotKnownError("see `playlist`")),
            raising(NoAnswerError("http://x does not answer")),
            raising(KeyError("rubbish")),
            saying(warning("not yet", "soon")),
            saying(broken("gone", "bring it back")),
        )
    ]
    assert states == ["ok", "broken", "skipped", "broken", "broken", "warning", "broken"]


async def test_who_cannot_be_connected_to_is_named_once() -> None:
    async with aiohttp.ClientSession() as session:
        visit = Visit(f"http://127.0.0.1:{free_port()}", session, None)
        found = await make_all(CHECKS, visit)
    assert [result.name for result in found if result.state == "broken"] == ["connection"]


async def test_a_check_that_hangs_says_how_long_it_had() -> None:
    [result] = await results(hanging)
    assert result.saw == "no result within 0.2 s"
    assert result.fix


async def test_what_several_checks_need_is_fetched_once_and_not_lost_with_one_of_them() -> None:
    fetched: list[int] = []

    class Slow(Visit):
        async def get(
            self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
        ) -> Answer:
            fetched.append(1)
            await asyncio.sleep(0.1)
            raise NoAnswerError("nobody")

    async with aiohttp.ClientSession() as session:
        visit = Slow("http://127.0.0.1:9", session, None)

        async def ask(_visit: Visit) -> Finding:
            await visit.page()
            return ok("there")

        checks = [Check("short", "why", ask, 0.02), Check("long", "why", ask, 1)]
        short, long = await make_all(checks, visit)
    assert short.saw == "no result within 0.02 s"
    assert long.saw == "nobody"
    assert len(fetched) == 1


def test_names_of_checks_are_theirs_alone_and_all_fit_into_the_time() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert max(check.limit_s for check in CHECKS) < 30 - 2
    assert all(check.why for check in CHECKS)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://tv.example.org/watch?x=1", "https://tv.example.org"),
        ("tv.example.org", "https://tv.example.org"),
        ("http://127.0.0.1:8888/", "http://127.0.0.1:8888"),
    ],
)
def test_a_station_is_named_by_url_or_hostname(text: str, origin: str) -> None:
    assert origin_of(text) == origin


@pytest.mark.parametrize("text", ["ftp://tv.example.org", "", "https://", "http://tv:port"])
def test_what_is_no_station_is_said_in_a_line(text: str) -> None:
    with pytest.raises(OperatorError, match="no URL of a station"):
        origin_of(text)


def test_without_a_station_it_is_one_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host_discovery, "DEPLOYED", tmp_path / "none.env")
    assert cli.main(["doctor", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("shoal doctor: no station: ")
    assert said.err.count("\n") == 1


def test_people_see_what_was_seen_why_and_what_to_do() -> None:
    checks = (
        Result("page", "ok", "fine", "it is seen", ""),
        Result("join", "broken", "refused [by] it", "nobody shares", "mend it"),
    )
    out = io.StringIO()
    show(Diagnosis("https://tv.example.org", checks), Console(file=out, width=100))
    text = out.getvalue()
    for words in ("refused [by] it", "nobody shares", "mend it", "2 checks: 1 ok, 1 broken"):
        assert words in text
    assert text.count("it is seen") == 0

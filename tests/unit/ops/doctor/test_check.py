"""A check that hangs, fails or lacks something still gives a result, and delays no other."""

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
    Check,
    CheckResult,
    Diagnosis,
    Finding,
    broken,
    ok,
    run_all,
    warning,
)
from shoal.ops.doctor.doctor import CHECKS, origin_of, show
from shoal.ops.doctor.probe_context import (
    CannotCheckError,
    NoAnswerError,
    ProbeContext,
    Response,
)
from tests.support.station import free_port


def raising(error: Exception) -> Callable[[ProbeContext], Awaitable[Finding]]:
    async def probe(_context: ProbeContext) -> Finding:
        raise error

    return probe


def returning(finding: Finding) -> Callable[[ProbeContext], Awaitable[Finding]]:
    async def probe(_context: ProbeContext) -> Finding:
        return finding

    return probe


async def hanging(_context: ProbeContext) -> Finding:
    await asyncio.sleep(60)
    return ok("never")


async def results(*probes: Callable[[ProbeContext], Awaitable[Finding]]) -> list[CheckResult]:
    async with aiohttp.ClientSession() as session:
        context = ProbeContext("http://127.0.0.1:9", session, None)
        checks = [Check(str(n), "why", probe, 0.2) for n, probe in enumerate(probes)]
        return list(await run_all(checks, context))


async def test_results_come_in_the_order_of_the_checks_however_each_ends() -> None:
    states = [
        result.state
        for result in await results(
            returning(ok("fine")),
            hanging,
            raising(CannotCheckError("see `playlist`")),
            raising(NoAnswerError("http://x does not answer")),
            raising(KeyError("rubbish")),
            returning(warning("not yet", "soon")),
            returning(broken("missing", "restore it")),
        )
    ]
    assert states == ["ok", "broken", "skipped", "broken", "broken", "warning", "broken"]


async def test_a_refused_connection_is_reported_once() -> None:
    async with aiohttp.ClientSession() as session:
        context = ProbeContext(f"http://127.0.0.1:{free_port()}", session, None)
        found = await run_all(CHECKS, context)
    assert [result.name for result in found if result.state == "broken"] == ["connection"]


async def test_a_check_that_hangs_says_how_long_it_had() -> None:
    [result] = await results(hanging)
    assert result.saw == "no result within 0.2 s"
    assert result.fix


async def test_checks_share_a_fetch_that_outlives_the_timeout_of_one_of_them() -> None:
    fetched: list[int] = []

    class Slow(ProbeContext):
        async def get(
            self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
        ) -> Response:
            fetched.append(1)
            await asyncio.sleep(0.1)
            raise NoAnswerError("nobody")

    async with aiohttp.ClientSession() as session:
        context = Slow("http://127.0.0.1:9", session, None)

        async def ask(_context: ProbeContext) -> Finding:
            await context.page()
            return ok("there")

        checks = [Check("short", "why", ask, 0.02), Check("long", "why", ask, 1)]
        short, long = await run_all(checks, context)
    assert short.saw == "no result within 0.02 s"
    assert long.saw == "nobody"
    assert len(fetched) == 1


def test_names_of_checks_are_unique_and_all_time_limits_fit() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert max(check.timeout_s for check in CHECKS) < 30 - 2
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
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(OperatorError, match="not the URL of a station"):
        origin_of(text)


def test_without_a_station_there_is_one_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host_discovery, "DEPLOYED", tmp_path / "none.env")
    assert cli.main(["doctor", "--data", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("shoal doctor: no station found: ")
    assert captured.err.count("\n") == 1


def test_people_are_shown_what_was_observed_why_it_matters_and_what_to_do() -> None:
    checks = (
        CheckResult("page", "ok", "fine", "it is opened", ""),
        CheckResult("join", "broken", "refused [by] it", "nobody shares", "fix it"),
    )
    out = io.StringIO()
    show(Diagnosis("https://tv.example.org", checks), Console(file=out, width=100))
    text = out.getvalue()
    for words in ("refused [by] it", "nobody shares", "fix it", "2 checks: 1 ok, 1 broken"):
        assert words in text
    assert text.count("it is opened") == 0

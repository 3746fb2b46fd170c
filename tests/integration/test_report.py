"""The report on a station of real servers."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from shoal.errors import OperatorError
from shoal.ops.client import Target
from shoal.ops.report import fetch_report
from shoal.signaling.stats.history import STEP_S
from tests.integration.signaling_station import free_url
from tests.integration.site_station import OPERATOR, Site, running_site


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Site]:
    async with running_site(tmp_path) as started:
        yield started


async def test_the_report_covers_the_last_day(running: Site) -> None:
    await running.start_services()
    windows = None
    async with asyncio.timeout(2 * STEP_S):
        while windows is None:
            await asyncio.sleep(0.2)
            windows = (await fetch_report(Target(running.url, OPERATOR))).windows
    assert set(windows) == {"now", "hour", "day"}
    day = windows["day"]
    assert (day.peak_viewers, day.share, day.seconds) == (0, None, STEP_S)
    assert day.bytes.ec2_video == 0


async def test_the_report_on_a_running_station(running: Site) -> None:
    await running.start_services()
    report = await fetch_report(Target(running.url, OPERATOR))
    assert (report.live, report.viewers) == (False, 0)
    assert report.ec2_video is not None
    assert report.ec2_video.agree is True
    public = await fetch_report(Target(running.url, None))
    assert (public.viewers, public.bytes) == (0, None)


async def test_the_report_shows_which_services_do_not_answer(running: Site) -> None:
    report = await fetch_report(Target(running.url, OPERATOR))
    assert report.viewers is None
    assert report.ec2_video is not None
    assert report.ec2_video.services is None
    assert report.services is not None
    states = {name: service.status for name, service in report.services.items()}
    assert states.pop("site") == "ok"
    assert set(states.values()) == {"unreachable"}


async def test_without_a_station_the_error_is_one_line(running: Site) -> None:
    await running.start_services()
    for target, message in (
        (Target(running.url, "wrong"), "refuses the operator's token"),
        (Target(running.signaling_url, OPERATOR), "is not a Shoal station"),
        (Target(free_url(), OPERATOR), "does not answer"),
        (Target("no url", OPERATOR), "does not answer"),
    ):
        with pytest.raises(OperatorError, match=message) as error:
            await fetch_report(target)
        assert "\n" not in str(error.value)


async def test_the_command_prints_json_and_fails_with_status_1(
    running: Site, tmp_path: Path
) -> None:
    await running.start_services()
    token_file = tmp_path / "operator_token"
    token_file.write_text(OPERATOR)

    async def shoal_report(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from shoal.cli import main; raise SystemExit(main())"),
            *("report", "--data", str(tmp_path), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    good, bad = await asyncio.gather(
        shoal_report(running.url, "--token-file", str(token_file), "--json"),
        shoal_report(),
    )
    assert good[0] == 0, good[2]
    report = json.loads(good[1])
    assert report["url"] == running.url
    assert report["bytes"] == {"ec2_video": 0, "store": 0, "p2p": 0, "seed": 0}
    assert report["ec2_video"] == {"services": 0, "gateway": 0, "agree": True}
    assert report["store_counter"] == {"bytes": 1234, "agree": None}
    assert (report["viewers"], report["peers"], report["not_sharing"]) == (0, 0, 0)
    assert bad[:2] == (1, "")
    assert len(bad[2].splitlines()) == 1
    assert "make up" in bad[2]

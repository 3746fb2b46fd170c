"""Problems with sharing reach signaling's health, its metrics and a webhook."""

import asyncio
import time
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from shoal.alarms import alert_state
from shoal.announcements import Segment, Stream
from shoal.signaling.stats import health_checks
from tests.integration.signaling_station import Signaling, running_signaling
from tests.support.webhook import webhook_receiver
from tests.unit.signaling.make import descriptor


async def codes(service: Signaling) -> list[str]:
    return [problem["code"] for problem in (await service.get("/health"))["problems"]]


async def test_viewers_without_a_link_are_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = dict.fromkeys(health_checks.REPORT_AFTER_S, 0.5)
    monkeypatch.setattr(health_checks, "REPORT_AFTER_S", soon)
    monkeypatch.setattr(alert_state, "RAISE_AFTER_S", 0.1)
    monkeypatch.setattr(alert_state, "OVER_AFTER_S", 0.5)
    with webhook_receiver() as receiver:
        settings = {"alarm_webhook": SecretStr(receiver.url), "alarm_station": "tv.example.org"}
        async with running_signaling(**settings) as service:
            broadcaster = await service.broadcaster()
            await broadcaster.announce(Stream("abc", live=True))
            await broadcaster.announce(Segment(descriptor(1)))
            viewers = [await service.join() for _ in range(3)]
            await standing(service, ["no_links"])
            health = await service.get("/health")
            assert health["status"] == "degraded"
            assert "3 viewers and not one link" in health["problems"][0]["message"]
            assert health["problems"][0]["since"]
            assert 'shoal_problem{code="no_links"} 1.0' in await service.text("/metrics")
            await until(lambda: receiver.states("no_links") == ["raised"])
            await viewers[0].ws.close()
            await standing(service, [])
            await broadcaster.ws.close()
            await standing(service, ["broadcaster"])
            await until(lambda: receiver.states("no_links") == ["raised", "over"])
            await until(lambda: receiver.states("broadcaster")[-1:] == ["raised"])
            assert {alarm["service"] for alarm in receiver.received} == {"signaling"}


async def standing(service: Signaling, wanted: list[str]) -> None:
    deadline = time.monotonic() + 20
    while (stand := await codes(service)) != wanted:
        assert time.monotonic() < deadline, stand
        await asyncio.sleep(0.05)


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)

"""Posts problems to the operator's webhook, when they are raised and when they are over.

One JSON object an alarm; `text` is what Slack and its kind show, `content` what Discord shows. The
URL is a secret (who has it can post), so it is in no log line and no error.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec

from shoal.alarms.alert_state import Alarms, News
from shoal.alarms.alert_store import Memory
from shoal.config.settings import AlarmSettings
from shoal.problems import Problem, Problems, Severity

log = logging.getLogger("shoal.alarms")

TIMEOUT_S = 10.0
MAX_TEXT = 1_900
"""characters; Discord refuses more than 2,000"""
OWN_CODE = "alarms"
"""the problem that alarms cannot be posted: in `/health`, but nothing to post"""

MARKS = {"degraded": "🟠", "failing": "🔴"}


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted."""

    station: str
    service: str
    code: str
    message: str
    severity: Severity
    state: Literal["raised", "over"]
    since: str
    """when the problem began, ISO 8601, UTC"""
    at: str
    """when this was written, ISO 8601, UTC"""
    text: str
    content: str


def alarm(station: str, service: str, news: News, at: datetime) -> Alarm:
    """Return what is posted of some news."""
    problem = news.problem
    if news.state == "raised":
        said = f"{MARKS[news.severity]} {station}: {problem.message} ({service}: {problem.code})"
    else:
        lasted_s = round((at - datetime.fromisoformat(problem.since)).total_seconds())
        said = (
            f"🟢 {station}: over after {timedelta(seconds=lasted_s)}:"
            f" {problem.message} ({service}: {problem.code})"
        )
    text = said if len(said) <= MAX_TEXT else f"{said[: MAX_TEXT - 1]}…"
    return Alarm(
        station=station,
        service=service,
        code=problem.code,
        message=problem.message,
        severity=news.severity,
        state=news.state,
        since=problem.since,
        at=at.isoformat(timespec="seconds"),
        text=text,
        content=text,
    )


class Webhook:
    """Tells the operator what becomes of one service's problems."""

    def __init__(
        self, url: str, station: str, service: str, problems: Problems, memory: Memory | None
    ) -> None:
        """Post to `url` as `service` of `station`; what goes wrong is among `problems`, too."""
        self._url = url
        self._station = station
        self._service = service
        self._problems = problems
        self._alarms = Alarms()
        self._memory = memory
        if memory is not None:
            self._alarms.resume(memory.read(), time.monotonic())
        self._wake = asyncio.Event()
        problems.listener = self

    def raised(self, problem: Problem, severity: Severity) -> None:
        """Hear that a problem stands."""
        if problem.code != OWN_CODE:
            self._alarms.raised(problem, severity, time.monotonic())
            self._wake.set()

    def over(self, code: str) -> None:
        """Hear that a problem that stood has gone."""
        if code != OWN_CODE:
            self._alarms.over(code, time.monotonic())
            self._wake.set()

    async def run(self) -> None:
        """Post what is news, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._wake.clear()
                news = self._alarms.next(time.monotonic())
                if not isinstance(news, News):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(
                            self._wake.wait(), None if news == float("inf") else news
                        )
                    continue
                self._remember()  # whether or not we learn that it was heard
                fault = await self._post(session, news)
                if fault is None:
                    self._alarms.told(news)
                    self._remember()
                    self._problems.clear(OWN_CODE)
                else:
                    self._alarms.failed(news, time.monotonic())
                    self._problems.report(
                        OWN_CODE, f"the webhook for alarms {fault}: is its URL right?", "degraded"
                    )

    def _remember(self) -> None:
        if self._memory is not None:
            self._memory.write(self._alarms.heard())

    async def _post(self, session: aiohttp.ClientSession, news: News) -> str | None:
        """Post it; return what is wrong, without the URL, or None."""
        body = msgspec.json.encode(alarm(self._station, self._service, news, datetime.now(UTC)))
        headers = {"Content-Type": "application/json"}
        try:
            async with session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return None if response.ok else f"answered {response.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # their text may have the URL
            return f"cannot be reached ({type(error).__name__})"


def webhook(
    settings: AlarmSettings, service: str, problems: Problems, state_dir: Path | None
) -> Webhook | None:
    """Return the webhook that the settings name, which hears of `problems` from now on.

    What it told is remembered in `state_dir` over restarts.
    """
    if settings.alarm_webhook is None:
        return None
    url = settings.alarm_webhook.get_secret_value()
    memory = None if state_dir is None else Memory(state_dir / f"alarms.{service}.json")
    return Webhook(url, settings.alarm_station, service, problems, memory)

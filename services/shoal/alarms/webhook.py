"""Posts alerts to the operator's webhook: problems that are raised, and that are over.

One JSON object per alert; `text` is what Slack and compatible chats show, `content` what Discord
shows. The URL is a secret (anyone who has it can post), so it appears in no log line and no error.
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

from shoal.alarms.alert_state import Alert, AlertState
from shoal.alarms.alert_store import AlertStore
from shoal.config.settings import AlarmSettings
from shoal.problems import Problem, Problems, Severity

log = logging.getLogger("shoal.alarms")

TIMEOUT_S = 10.0
MAX_TEXT = 1_900
"""characters; Discord refuses more than 2,000"""
OWN_CODE = "alarms"
"""the problem that alerts cannot be posted: shown in `/health`, but never posted itself"""

MARKS = {"degraded": "🟠", "failing": "🔴"}


class WebhookMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON object that is posted."""

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


def webhook_message(station: str, service: str, alert: Alert, at: datetime) -> WebhookMessage:
    """Return what is posted for an alert."""
    problem = alert.problem
    if alert.state == "raised":
        full = f"{MARKS[alert.severity]} {station}: {problem.message} ({service}: {problem.code})"
    else:
        lasted_s = round((at - datetime.fromisoformat(problem.since)).total_seconds())
        full = (
            f"🟢 {station}: over after {timedelta(seconds=lasted_s)}:"
            f" {problem.message} ({service}: {problem.code})"
        )
    text = full if len(full) <= MAX_TEXT else f"{full[: MAX_TEXT - 1]}…"
    return WebhookMessage(
        station=station,
        service=service,
        code=problem.code,
        message=problem.message,
        severity=alert.severity,
        state=alert.state,
        since=problem.since,
        at=at.isoformat(timespec="seconds"),
        text=text,
        content=text,
    )


class Webhook:
    """Alerts the operator to the problems of one service."""

    def __init__(
        self, url: str, station: str, service: str, problems: Problems, store: AlertStore | None
    ) -> None:
        """Post to `url` as `service` of `station`. A webhook that fails is one of `problems`."""
        self._url = url
        self._station = station
        self._service = service
        self._problems = problems
        self._alerts = AlertState()
        self._store = store
        if store is not None:
            self._alerts.restore(store.load(), time.monotonic())
        self._wake = asyncio.Event()
        problems.listener = self

    def problem_raised(self, problem: Problem, severity: Severity) -> None:
        """Note that a problem is raised, or is still there."""
        if problem.code != OWN_CODE:
            self._alerts.problem_raised(problem, severity, time.monotonic())
            self._wake.set()

    def problem_over(self, code: str) -> None:
        """Note that a problem is over."""
        if code != OWN_CODE:
            self._alerts.problem_over(code, time.monotonic())
            self._wake.set()

    async def run(self) -> None:
        """Post alerts as they become due, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._wake.clear()
                alert = self._alerts.next_alert(time.monotonic())
                if not isinstance(alert, Alert):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(
                            self._wake.wait(), None if alert == float("inf") else alert
                        )
                    continue
                self._save()  # before posting: it may arrive without our knowing
                fault = await self._post(session, alert)
                if fault is None:
                    self._alerts.mark_sent(alert)
                    self._save()
                    self._problems.clear(OWN_CODE)
                else:
                    self._alerts.mark_failed(alert, time.monotonic())
                    self._problems.report(
                        OWN_CODE,
                        f"the webhook for alerts {fault}: check its URL (alarm_webhook)",
                        "degraded",
                    )

    def _save(self) -> None:
        if self._store is not None:
            self._store.save(self._alerts.sent())

    async def _post(self, session: aiohttp.ClientSession, alert: Alert) -> str | None:
        """Post an alert; return what went wrong, without the URL, or None."""
        message = webhook_message(self._station, self._service, alert, datetime.now(UTC))
        headers = {"Content-Type": "application/json"}
        try:
            async with session.post(
                self._url,
                data=msgspec.json.encode(message),
                headers=headers,
                allow_redirects=False,
            ) as response:
                return None if response.ok else f"answered {response.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:  # their text may have the URL
            return f"cannot be reached ({type(error).__name__})"


def create_webhook(
    settings: AlarmSettings, service: str, problems: Problems, state_dir: Path | None
) -> Webhook | None:
    """Return the webhook that the settings name, subscribed to `problems`; None without one.

    `state_dir` keeps over restarts which alerts were sent.
    """
    if settings.alarm_webhook is None:
        return None
    url = settings.alarm_webhook.get_secret_value()
    store = None if state_dir is None else AlertStore(state_dir / f"alarms.{service}.json")
    return Webhook(url, settings.alarm_station, service, problems, store)

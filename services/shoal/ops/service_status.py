"""The state of each service in the report: its health, its uptime, its requests."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import msgspec

from shoal.api_types import CounterHistory, CounterSample
from shoal.ops.time_windows import WINDOW_LENGTHS_S, growth, rows_since


class ReportedProblem(msgspec.Struct, frozen=True):
    """One entry of `problems` in a service's health."""

    code: str
    message: str = ""
    since: str | None = None


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service; null: not known."""

    status: str
    problems: list[ReportedProblem] = []
    uptime_s: float | None = None
    requests_per_s: float | None = None
    """in the last minutes; for signaling, messages of viewers included"""
    requests_per_s_day: float | None = None
    """in the last 24 hours, or since the site started"""


def service_statuses(
    healths: Mapping[str, msgspec.Raw], counters: CounterHistory | None, at: str
) -> dict[str, ServiceStatus]:
    """Return the status of each service, from its health and the site's counters.

    `at` is the current time, ISO 8601.
    """
    statuses = {
        name: msgspec.json.decode(health, type=ServiceStatus) for name, health in healths.items()
    }
    if counters is None:
        return statuses
    statuses.setdefault("site", ServiceStatus(status="ok"))  # it answered
    return {
        name: msgspec.structs.replace(
            status,
            uptime_s=_uptime_s(counters.started.get(name), at),
            requests_per_s=_request_rate(counters, name, WINDOW_LENGTHS_S["now"]),
            requests_per_s_day=_request_rate(counters, name, WINDOW_LENGTHS_S["day"]),
        )
        for name, status in statuses.items()
    }


def _uptime_s(started: str | None, at: str) -> float | None:
    if started is None:
        return None
    uptime = datetime.fromisoformat(at) - datetime.fromisoformat(started)
    return max(0.0, uptime.total_seconds())


def _request_rate(counters: CounterHistory, service: str, length_s: int) -> float | None:
    rows = rows_since(counters.rows, counters.rows[-1].at - length_s)
    seconds = rows[-1].at - rows[0].at
    count = growth(rows, partial(_requests, service=service))
    return None if count is None or seconds <= 0 else count / seconds


def _requests(row: CounterSample, service: str) -> int | None:
    return row.requests.get(service)

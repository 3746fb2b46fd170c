"""What the report says of each service: how it is, for how long, and how much it has to do."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import msgspec

from shoal.api_types import Counters, Counts
from shoal.ops.time_windows import SPANS_S, grown, since


class ProblemSaid(msgspec.Struct, frozen=True):
    """One entry of a health's `problems`."""

    code: str
    message: str = ""
    since: str | None = None


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service; null: not known."""

    status: str
    problems: list[ProblemSaid] = []
    uptime_s: float | None = None
    requests_per_s: float | None = None
    """in the last minutes; signaling's with the messages of viewers"""
    requests_per_s_day: float | None = None
    """in the last 24 hours, or since the site started"""


def service_statuses(
    healths: Mapping[str, msgspec.Raw], counters: CounterHistory | None, at: str
) -> dict[str, ServiceStatus]:
    """Return what the services say, and the site's own counters; `at` is now, ISO 8601."""
    said = {
        name: msgspec.json.decode(health, type=ServiceStatus) for name, health in healths.items()
    }
    if counters is None:
        return said
    said.setdefault("site", ServiceStatus(status="ok"))  # it answered
    return {
        name: msgspec.structs.replace(
            status,
            uptime_s=_uptime_s(counters.started.get(name), at),
            requests_per_s=_rate(counters, name, SPANS_S["now"]),
            requests_per_s_day=_rate(counters, name, SPANS_S["day"]),
        )
        for name, status in said.items()
    }


def _uptime_s(started: str | None, at: str) -> float | None:
    if started is None:
        return None
    up = datetime.fromisoformat(at) - datetime.fromisoformat(started)
    return max(0.0, up.total_seconds())


def _rate(counters: CounterHistory, service: str, span_s: int) -> float | None:
    rows = since(counters.rows, counters.rows[-1].at - span_s)
    seconds = rows[-1].at - rows[0].at
    count = grown(rows, partial(_requests, service=service))
    return None if count is None or seconds <= 0 else count / seconds


def _requests(row: CounterSample, service: str) -> int | None:
    return row.requests.get(service)

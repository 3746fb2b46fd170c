"""What the station's counters said: their `/metrics`, read. Plain functions of the bodies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from shoal.api_types import CounterSample
from shoal.site.metrics_reader import (
    SEED_BYTES,
    STORED_BYTES,
    counted,
    requests,
    response_bytes,
    started_at,
    store_bytes,
    video_bytes,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Answers:
    """Bodies that came back; None where nobody answered, or there is nobody to ask."""

    broadcaster_health: bytes | None
    broadcaster_metrics: bytes | None
    signaling_health: bytes | None
    signaling_metrics: bytes | None
    signaling_stats: bytes | None
    gateway_metrics: bytes | None
    store_metrics: bytes | None
    own_metrics: bytes


def counts(answers: Answers, at: int, interfaces_sent: int | None) -> CounterSample:
    """Return what the counters said at `at`, Unix time."""
    metrics = by_service(answers)
    broadcaster = answers.broadcaster_metrics
    return CounterSample(
        at=at,
        services_video=total(*(video(text, name) for name, text in metrics.items())),
        gateway_video=video(answers.gateway_metrics, None),
        responses=total(
            *(read(text, partial(response_bytes, service=name)) for name, text in metrics.items())
        ),
        stored=read(broadcaster, partial(counted, name=STORED_BYTES)),
        seeded=read(broadcaster, partial(counted, name=SEED_BYTES)),
        store_sent=read(answers.store_metrics, store_bytes),
        interfaces_sent=interfaces_sent,
        requests={
            name: read(text, partial(requests, service=name)) for name, text in metrics.items()
        },
    )


def started(answers: Answers) -> dict[str, str | None]:
    """Return when each service started."""
    metrics = {**by_service(answers), "gateway": answers.gateway_metrics}
    times = {name: read(text, started_at) for name, text in metrics.items()}
    return {name: at and at.isoformat(timespec="seconds") for name, at in times.items()}


def by_service(answers: Answers) -> dict[str, bytes | None]:
    """Return the metrics of our services."""
    return {
        "broadcaster": answers.broadcaster_metrics,
        "signaling": answers.signaling_metrics,
        "site": answers.own_metrics,
    }


def read(metrics: bytes | None, reader: Callable[[str], T]) -> T | None:
    """Return what a reader finds in `/metrics`; None where there is nothing to read."""
    if metrics is None:
        return None
    try:
        return reader(metrics.decode())
    except ValueError:
        return None


def video(metrics: bytes | None, service: str | None) -> int | None:
    """Return the bytes of video that `service` counted for itself, or all of them."""
    return read(metrics, lambda text: video_bytes(text, service))


def total(*values: int | None) -> int | None:
    """Return the sum; None while one of the values is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None

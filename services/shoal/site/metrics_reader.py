"""Reads counters from the services' `/metrics`, in Prometheus' text format. Plain functions.

Functions that take one service's text raise ValueError if it is not in that format.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shoal.api_types import CounterSample

RESPONSE_BYTES = "shoal_http_response_bytes_total"
STORE_BYTES = "SeaweedFS_s3_bucket_traffic_sent_bytes_total"
STORED_BYTES = "shoal_stored_bytes_total"
STORED_SEGMENTS = "shoal_store_upload_seconds_count"
SEED_BYTES = "shoal_torrent_uploaded_bytes_total"
REQUESTS = "shoal_http_requests_total"
MESSAGES = "shoal_room_messages_total"
STARTED_AT = "process_start_time_seconds"

T = TypeVar("T")


def video_bytes(metrics: str, service: str | None = None) -> int:
    """Return the bytes of video that were sent (`shoal.web.count_response` counts them).

    With `service`, only those that it counted itself, and otherwise all of them.
    """
    return int(
        sum(
            sample.value
            for sample in _samples(metrics, RESPONSE_BYTES)
            if sample.labels.get("kind") == "video"
            and service in (None, sample.labels.get("service"))
        )
    )


def response_bytes(metrics: str, service: str) -> int:
    """Return the bytes of all response bodies that `service` counted itself."""
    return _sum_of(metrics, RESPONSE_BYTES, service)


def request_count(metrics: str, service: str) -> int:
    """Return how many HTTP requests `service` answered, plus viewers' messages for signaling."""
    messages = _samples(metrics, MESSAGES) if service == "signaling" else ()
    return _sum_of(metrics, REQUESTS, service) + int(sum(sample.value for sample in messages))


def store_bytes(metrics: str) -> int:
    """Return the bytes of objects that the local object store has sent."""
    return int(sum(sample.value for sample in _samples(metrics, STORE_BYTES)))


def counter_total(metrics: str, name: str) -> int:
    """Return the sum of a counter's samples. Raises ValueError if there are none."""
    values = [sample.value for sample in _samples(metrics, name)]
    if not values:
        raise ValueError(f"there is no {name}")
    return int(sum(values))


def started_at(metrics: str) -> datetime | None:
    """Return when the process with these metrics started, or None if they do not say."""
    for sample in _samples(metrics, STARTED_AT):
        return datetime.fromtimestamp(sample.value, UTC)
    return None


def _sum_of(metrics: str, name: str, service: str) -> int:
    samples = _samples(metrics, name)
    return int(sum(s.value for s in samples if s.labels.get("service") == service))


def _samples(metrics: str, name: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == name:
                yield sample


@dataclass(frozen=True)
class ServiceBodies:
    """Response bodies of the other services; None if one did not respond or does not exist."""

    broadcaster_health: bytes | None
    broadcaster_metrics: bytes | None
    signaling_health: bytes | None
    signaling_metrics: bytes | None
    signaling_stats: bytes | None
    gateway_metrics: bytes | None
    store_metrics: bytes | None
    own_metrics: bytes


def read_counters(bodies: ServiceBodies, at: int, interfaces_sent: int | None) -> CounterSample:
    """Return all counters as of `at`, Unix time."""
    metrics = metrics_by_service(bodies)
    broadcaster = bodies.broadcaster_metrics
    return CounterSample(
        at=at,
        services_video=sum_if_known(*(read_video(text, name) for name, text in metrics.items())),
        gateway_video=read_video(bodies.gateway_metrics, None),
        responses=sum_if_known(
            *(read(text, partial(response_bytes, service=name)) for name, text in metrics.items())
        ),
        stored=read(broadcaster, partial(counter_total, name=STORED_BYTES)),
        seeded=read(broadcaster, partial(counter_total, name=SEED_BYTES)),
        store_sent=read(bodies.store_metrics, store_bytes),
        interfaces_sent=interfaces_sent,
        requests={
            name: read(text, partial(request_count, service=name)) for name, text in metrics.items()
        },
    )


def start_times(bodies: ServiceBodies) -> dict[str, str | None]:
    """Return when each service started, ISO 8601; None if unknown."""
    metrics = {**metrics_by_service(bodies), "gateway": bodies.gateway_metrics}
    times = {name: read(text, started_at) for name, text in metrics.items()}
    return {name: at and at.isoformat(timespec="seconds") for name, at in times.items()}


def metrics_by_service(bodies: ServiceBodies) -> dict[str, bytes | None]:
    """Return the `/metrics` of our three services, by name."""
    return {
        "broadcaster": bodies.broadcaster_metrics,
        "signaling": bodies.signaling_metrics,
        "site": bodies.own_metrics,
    }


def read(metrics: bytes | None, reader: Callable[[str], T]) -> T | None:
    """Return what `reader` finds in `/metrics`; None if there is no text or it cannot be read."""
    if metrics is None:
        return None
    try:
        return reader(metrics.decode())
    except ValueError:
        return None


def read_video(metrics: bytes | None, service: str | None) -> int | None:
    """Return `video_bytes` of `/metrics`; None if it cannot be read."""
    return read(metrics, lambda text: video_bytes(text, service))


def sum_if_known(*values: int | None) -> int | None:
    """Return the sum, or None if any of the values is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None

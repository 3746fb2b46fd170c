"""Reading counters out of `/metrics`, Prometheus' text format.

Every function raises ValueError when the text is not in that format.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

RESPONSE_BYTES = "shoal_http_response_bytes_total"
STORE_BYTES = "SeaweedFS_s3_bucket_traffic_sent_bytes_total"
STORED_BYTES = "shoal_stored_bytes_total"
STORED_SEGMENTS = "shoal_store_upload_seconds_count"
SEED_BYTES = "shoal_torrent_uploaded_bytes_total"
REQUESTS = "shoal_http_requests_total"
MESSAGES = "shoal_room_messages_total"
STARTED_AT = "process_start_time_seconds"


def video_bytes(metrics: str, service: str | None = None) -> int:
    """Return the bytes of video (`shoal.web.count_response` counts them).

    Only those that `service` counted for itself, or all of them when it is None.
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
    """Return the bytes of all bodies that `service` counted for itself."""
    return _sum_of(metrics, RESPONSE_BYTES, service)


def requests(metrics: str, service: str) -> int:
    """Return the HTTP requests that `service` answered, and viewers' messages to it."""
    messages = _samples(metrics, MESSAGES) if service == "signaling" else ()
    return _sum_of(metrics, REQUESTS, service) + int(sum(sample.value for sample in messages))


def store_bytes(metrics: str) -> int:
    """Return the bytes of objects that the local object store has sent."""
    return int(sum(sample.value for sample in _samples(metrics, STORE_BYTES)))


def counted(metrics: str, name: str) -> int:
    """Return the sum of a counter's samples; raise ValueError when there are none."""
    values = [sample.value for sample in _samples(metrics, name)]
    if not values:
        raise ValueError(f"there is no {name}")
    return int(sum(values))


def started_at(metrics: str) -> datetime | None:
    """Return when the process started that these metrics are of, or None if it does not say."""
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

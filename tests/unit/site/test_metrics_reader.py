from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shoal.site.metrics_reader import (
    STORED_SEGMENTS,
    counter_total,
    read_counters,
    start_times,
    started_at,
    store_bytes,
    video_bytes,
)
from tests.unit.site.test_station import BODIES

METRICS = """\
# HELP shoal_http_response_bytes_total Bytes of HTTP response bodies sent
# TYPE shoal_http_response_bytes_total counter
shoal_http_response_bytes_total{kind="video",service="broadcaster"} 1.2e+06
shoal_http_response_bytes_total{kind="other",service="broadcaster"} 5.0
shoal_http_response_bytes_total{kind="video",service="owncast"} 300.0
# TYPE shoal_http_response_bytes_created gauge
shoal_http_response_bytes_created{kind="video",service="owncast"} 1.7e+09
# TYPE shoal_viewers gauge
shoal_viewers 3.0
# TYPE SeaweedFS_s3_bucket_traffic_sent_bytes_total counter
SeaweedFS_s3_bucket_traffic_sent_bytes_total{bucket="shoal"} 4.5e+06
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.9e+09
"""

REQUESTS = b"""# TYPE shoal_http_requests counter
shoal_http_requests_total{service="signaling"} 3
# TYPE shoal_room_messages counter
shoal_room_messages_total{type="have"} 40
shoal_room_messages_total{type="stats"} 2
"""


@pytest.mark.parametrize(
    ("service", "expected"), [(None, 1_200_300), ("broadcaster", 1_200_000), ("site", 0)]
)
def test_only_video_is_summed(service: str | None, expected: int) -> None:
    assert video_bytes(METRICS, service) == expected


def test_without_the_counter_no_video_was_sent() -> None:
    assert video_bytes("") == 0


def test_another_format_raises() -> None:
    with pytest.raises(ValueError):
        video_bytes("<html>{</html>")


def test_store_bytes_and_process_start_are_read() -> None:
    assert store_bytes(METRICS) == 4_500_000
    assert started_at(METRICS) == datetime.fromtimestamp(1_900_000_000, UTC)
    assert started_at("") is None


def test_a_missing_counter_raises() -> None:
    upload = "# TYPE shoal_store_upload_seconds histogram\nshoal_store_upload_seconds_count 7\n"
    assert counter_total(METRICS + upload, STORED_SEGMENTS) == 7
    with pytest.raises(ValueError, match=STORED_SEGMENTS):
        counter_total(METRICS, STORED_SEGMENTS)


def test_a_sample_has_all_counters() -> None:
    signaling = BODIES.signaling_metrics or b""
    row = read_counters(replace(BODIES, signaling_metrics=signaling + REQUESTS), 1_900_000_000, 99)
    assert (row.at, row.interfaces_sent) == (1_900_000_000, 99)
    assert (row.services_video, row.gateway_video, row.responses) == (6, 7, 6)
    assert (row.stored, row.seeded, row.store_sent) == (2_000_000_000, 0, 45)
    assert row.requests == {"broadcaster": 0, "signaling": 45, "site": 0}
    assert start_times(BODIES)["signaling"] == "2030-03-17T17:47:40+00:00"


def test_a_service_that_does_not_respond_is_unknown() -> None:
    row = read_counters(replace(BODIES, broadcaster_metrics=None, store_metrics=None), 5, None)
    assert (row.services_video, row.responses, row.stored, row.store_sent) == (None,) * 4
    assert row.requests["broadcaster"] is None
    assert row.gateway_video == 7
    assert start_times(replace(BODIES, broadcaster_metrics=None))["broadcaster"] is None

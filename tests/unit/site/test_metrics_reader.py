from datetime import UTC, datetime

import pytest

from shoal.site.metrics_reader import STORED_SEGMENTS, counted, started_at, store_bytes, video_bytes

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


@pytest.mark.parametrize(
    ("service", "expected"), [(None, 1_200_300), ("broadcaster", 1_200_000), ("site", 0)]
)
def test_only_video_is_summed(service: str | None, expected: int) -> None:
    assert video_bytes(METRICS, service) == expected


def test_no_counter_means_no_video() -> None:
    assert video_bytes("") == 0


def test_another_format_is_an_error() -> None:
    with pytest.raises(ValueError):
        video_bytes("<html>{</html>")


def test_the_store_s_bytes_and_a_process_start() -> None:
    assert store_bytes(METRICS) == 4_500_000
    assert started_at(METRICS) == datetime.fromtimestamp(1_900_000_000, UTC)
    assert started_at("") is None


def test_a_counter_that_is_missing_is_not_0() -> None:
    upload = "# TYPE shoal_store_upload_seconds histogram\nshoal_store_upload_seconds_count 7\n"
    assert counted(METRICS + upload, STORED_SEGMENTS) == 7
    with pytest.raises(ValueError, match=STORED_SEGMENTS):
        counted(METRICS, STORED_SEGMENTS)

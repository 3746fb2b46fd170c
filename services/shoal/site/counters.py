"""Reading video bytes out of a service's `/metrics` (`shoal.web.count_response` counts them)."""

from prometheus_client.parser import text_string_to_metric_families

VIDEO_BYTES = "shoal_http_response_bytes_total"


def video_bytes(metrics: str, service: str | None = None) -> int:
    """Return the bytes of video in `metrics`, Prometheus' text format.

    Only those that `service` counted for itself, or all of them when it is None. Raises ValueError
    when the text is not in that format.
    """
    return int(
        sum(
            sample.value
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == VIDEO_BYTES
            and sample.labels.get("kind") == "video"
            and service in (None, sample.labels.get("service"))
        )
    )

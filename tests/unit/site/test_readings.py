from dataclasses import replace

from shoal.site.readings import counts, started
from tests.unit.site.test_station import ANSWERS

REQUESTS = b"""# TYPE shoal_http_requests counter
shoal_http_requests_total{service="signaling"} 3
# TYPE shoal_room_messages counter
shoal_room_messages_total{type="have"} 40
shoal_room_messages_total{type="stats"} 2
"""


def test_what_the_counters_say_now() -> None:
    signaling = ANSWERS.signaling_metrics or b""
    row = counts(replace(ANSWERS, signaling_metrics=signaling + REQUESTS), 1_900_000_000, 99)
    assert (row.at, row.interfaces_sent) == (1_900_000_000, 99)
    assert (row.services_video, row.gateway_video, row.responses) == (6, 7, 6)
    assert (row.stored, row.seeded, row.store_sent) == (2_000_000_000, 0, 45)
    assert row.requests == {"broadcaster": 0, "signaling": 45, "site": 0}
    assert started(ANSWERS)["signaling"] == "2030-03-17T17:47:40+00:00"


def test_what_does_not_answer_is_not_known() -> None:
    row = counts(replace(ANSWERS, broadcaster_metrics=None, store_metrics=None), 5, None)
    assert (row.services_video, row.responses, row.stored, row.store_sent) == (None,) * 4
    assert row.requests["broadcaster"] is None
    assert row.gateway_video == 7
    assert started(replace(ANSWERS, broadcaster_metrics=None))["broadcaster"] is None

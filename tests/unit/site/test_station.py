import json
from dataclasses import replace

import msgspec
import pytest

from shoal.api_types import BytesBySource, Ec2Video, PublicStation, ReplayTotals, SignalingStats
from shoal.costs.prices import AS_OF
from shoal.site.metrics_reader import ServiceBodies
from shoal.site.station import operator_station, public_station

STATS = SignalingStats(
    viewers=3,
    broadcasters=1,
    chunks=9,
    rooms=1,
    peers=2,
    not_sharing=1,
    bytes=BytesBySource(60, 40, 0),
    startup=BytesBySource(0, 10, 0),
    recent=BytesBySource(6, 4, 0),
    uploaded=60,
    wanted=6_000_000_000,
    share=2 / 3,
    stalls=0,
    latency_s=8.5,
    live=True,
    stream="abc",
    replays=ReplayTotals(viewers=1, bytes=BytesBySource(5, 5, 0)),
)


def counter(service: str, size: int, started_at: int = 1_900_000_000) -> bytes:
    return (
        f"process_start_time_seconds {started_at}\n"
        "# TYPE shoal_http_response_bytes_total counter\n"
        f'shoal_http_response_bytes_total{{kind="video",service="{service}"}} {size}\n'
    ).encode()


BODIES = ServiceBodies(
    broadcaster_health=b'{"status":"failing","problems":[{"code":"store"}]}',
    broadcaster_metrics=counter("broadcaster", 5)
    + b"""# TYPE shoal_stored_bytes_total counter
shoal_stored_bytes_total 2e9
# TYPE shoal_store_upload_seconds histogram
shoal_store_upload_seconds_bucket{le="+Inf"} 1000
shoal_store_upload_seconds_count 1000
shoal_store_upload_seconds_sum 9
# TYPE shoal_torrent_uploaded_bytes_total counter
shoal_torrent_uploaded_bytes_total 0
""",
    signaling_health=b'{"status":"ok"}',
    signaling_metrics=counter("signaling", 0, 1_900_000_060),
    signaling_stats=msgspec.json.encode(STATS),
    gateway_metrics=counter("owncast", 7),
    store_metrics=b'SeaweedFS_s3_bucket_traffic_sent_bytes_total{bucket="shoal"} 45\n',
    own_metrics=counter("site", 1),
)


def test_statistics_when_every_service_responds() -> None:
    station = operator_station(BODIES, has_gateway=True)
    assert json.loads(msgspec.json.encode(station)) == {
        "live": True,
        "viewers": 3,
        "peers": 2,
        "not_sharing": 1,
        "share": 2 / 3,
        "bytes": {"p2p": 60, "store": 40, "seed": 0},
        "startup": {"p2p": 0, "store": 10, "seed": 0},
        "recent": {"p2p": 6, "store": 4, "seed": 0},
        "uploaded": 60,
        "stalls": 0,
        "latency_s": 8.5,
        "chunks": 9,
        "rooms": 1,
        "replays": {
            "viewers": 1,
            "linked": 0,
            "bytes": {"p2p": 5, "store": 5, "seed": 0},
            "uploaded": 0,
            "stalls": 0,
        },
        "ec2_video": {"services": 6, "gateway": 7},
        "store_sent": 45,
        "cost": {
            "usd": pytest.approx(0.18 + 0.0045 + 3000e-6 * 0.36),
            "r2_usd": pytest.approx(0.18 + 0.0045 + 3000e-6 * 0.36),
            "ec2_direct_usd": pytest.approx(100e-9 * 0.09),
            "prices_as_of": AS_OF,
        },
        "since": {
            "viewers": "2030-03-17T17:47:40+00:00",
            "services": "2030-03-17T17:47:40+00:00",
            "gateway": "2030-03-17T17:46:40+00:00",
            "store": None,
        },
        "services": {
            "broadcaster": {"status": "failing", "problems": [{"code": "store"}]},
            "signaling": {"status": "ok"},
            "gateway": {"status": "ok"},
        },
    }
    assert public_station(station) == PublicStation(live=True, viewers=3, share=2 / 3)


def test_statistics_are_unknown_not_zero_when_no_service_responds() -> None:
    no_bodies = ServiceBodies(*[None] * 7, own_metrics=b"")
    station = operator_station(no_bodies, has_gateway=True)
    assert station.ec2_video == Ec2Video(services=None, gateway=None)
    assert (station.live, station.viewers, station.bytes) == (None, None, None)
    assert {bytes(health) for health in station.services.values()} == {b'{"status":"unreachable"}'}


def test_a_sum_with_one_unknown_service_is_unknown() -> None:
    station = operator_station(replace(BODIES, signaling_metrics=None), has_gateway=False)
    assert (station.ec2_video.services, station.cost) == (None, None)
    assert set(station.services) == {"broadcaster", "signaling"}


def test_responses_of_other_software_are_ignored() -> None:
    foreign = ServiceBodies(b"<html>", b"<{", b"[]", b"\xff", b"{}", None, b"<{", own_metrics=b"")
    station = operator_station(foreign, has_gateway=False)
    assert station.viewers is None
    assert station.store_sent is None
    assert station.ec2_video.services is None
    assert bytes(station.services["broadcaster"]) == b'{"status":"unreachable"}'

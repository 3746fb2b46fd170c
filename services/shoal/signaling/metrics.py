"""Prometheus metrics of signaling; gauges are read from the room service on each scrape.

Each of several processes exports the stats of its own viewers: Prometheus scrapes all of them and
adds up. (A sum over all processes would fall when one of them restarts, and Prometheus would take
that for a counter reset.)
"""

from collections.abc import Iterator

from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.api_types import BytesBySource
from shoal.signaling.room_service import RoomService

ROOM_MESSAGES = Counter("shoal_room_messages", "Messages from viewers, by type", ["type"])
ROOM_REFUSALS = Counter("shoal_room_refusals", "Viewers' sockets that we closed, by code", ["code"])
STATS_REFUSED = Counter(
    "shoal_room_stats_refused", "Reports of viewers that were implausible, by reason", ["reason"]
)


class RoomCollector(Collector):
    """Exports the gauges and counters of the room service."""

    def __init__(self, room_service: RoomService) -> None:
        self._room_service = room_service

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        totals, broadcast = self._room_service.local_totals(), self._room_service.broadcast
        yield GaugeMetricFamily("shoal_viewers", "Members of rooms", totals.viewers)
        yield GaugeMetricFamily("shoal_linked_viewers", "Members with an open link", totals.peers)
        yield GaugeMetricFamily(
            "shoal_not_sharing_viewers", "Members that cannot or may not share", totals.not_sharing
        )
        by_variant = GaugeMetricFamily(
            "shoal_rendition_viewers", "Members of rooms, by variant", labels=["variant"]
        )
        for variant, viewers in sorted(totals.by_variant.items()):
            by_variant.add_metric([str(variant)], viewers)
        yield by_variant
        if totals.latency_s is not None:
            yield GaugeMetricFamily(
                "shoal_viewer_latency_median_seconds",
                "Median latency behind live of the viewers that measure it",
                totals.latency_s,
            )
        yield GaugeMetricFamily("shoal_rooms", "Rooms with members", self._room_service.local_rooms)
        yield GaugeMetricFamily(
            "shoal_broadcasters", "Broadcasters connected", self._room_service.local_broadcasters
        )
        yield GaugeMetricFamily(
            "shoal_live", "1 while a stream is on air", int(broadcast.stream.live)
        )
        yield CounterMetricFamily("shoal_chunks", "Segments announced", broadcast.chunks)
        yield CounterMetricFamily("shoal_viewer_stalls", "Stalls reported", totals.stalls)
        yield CounterMetricFamily(
            "shoal_viewer_uploaded_bytes", "Bytes that viewers sent to each other", totals.uploaded
        )
        yield CounterMetricFamily(
            "shoal_viewer_wanted_bytes",
            "Bytes of announced segments, times the viewers that were on their variant",
            totals.wanted,
        )
        yield _by_source("shoal_viewer_bytes", "Bytes that viewers received", totals.bytes)
        yield _by_source(
            "shoal_viewer_startup_bytes",
            "The part of shoal_viewer_bytes from before viewers were ready",
            totals.startup,
        )


def _by_source(name: str, text: str, received: BytesBySource) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=["source"])
    family.add_metric(["p2p"], received.p2p)
    family.add_metric(["store"], received.store)
    family.add_metric(["seed"], received.seed)
    return family

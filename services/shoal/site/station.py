"""Statistics for `/api/…`: reads the other services on their loopback ports and sums up."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp
import msgspec
from prometheus_client import generate_latest

from shoal.api_types import (
    CounterSample,
    CountingSince,
    Ec2Video,
    OperatorStation,
    PublicStation,
    RunningCost,
    SignalingStats,
)
from shoal.config.settings import SiteSettings
from shoal.costs.running_cost import Traffic, running_cost
from shoal.site.metrics_reader import (
    SEED_BYTES,
    STORED_BYTES,
    STORED_SEGMENTS,
    ServiceBodies,
    counter_total,
    metrics_by_service,
    read,
    read_counters,
    read_video,
    start_times,
    started_at,
    store_bytes,
    sum_if_known,
)
from shoal.site.nic_counters import sent_bytes

log = logging.getLogger("shoal.site")

TIMEOUT_S = 2.0
CACHE_S = 1.0

UNREACHABLE = msgspec.Raw(b'{"status":"unreachable"}')
OK = msgspec.Raw(b'{"status":"ok"}')


@dataclass(frozen=True)
class ServiceResponse:
    """A service's HTTP response."""

    status: int
    service: str | None
    """its X-Shoal header"""
    body: bytes


def operator_station(bodies: ServiceBodies, *, has_gateway: bool) -> OperatorStation:
    """Return the station's statistics; what could not be read is None."""
    stats = _stats(bodies.signaling_stats)
    services = {
        "broadcaster": _health(bodies.broadcaster_health),
        "signaling": _health(bodies.signaling_health),
    }
    if has_gateway:
        services["gateway"] = UNREACHABLE if bodies.gateway_metrics is None else OK
    ec2_video = Ec2Video(
        services=sum_if_known(
            *(read_video(text, name) for name, text in metrics_by_service(bodies).items())
        ),
        gateway=read_video(bodies.gateway_metrics, None),
    )
    return OperatorStation(
        live=stats and stats.live,
        viewers=stats and stats.viewers,
        peers=stats and stats.peers,
        not_sharing=stats and stats.not_sharing,
        share=stats and stats.share,
        bytes=stats and stats.bytes,
        startup=stats and stats.startup,
        recent=stats and stats.recent,
        uploaded=stats and stats.uploaded,
        stalls=stats and stats.stalls,
        latency_s=stats and stats.latency_s,
        chunks=stats and stats.chunks,
        rooms=stats and stats.rooms,
        replays=stats and stats.replays,
        ec2_video=ec2_video,
        store_sent=read(bodies.store_metrics, store_bytes),
        cost=_cost(bodies, stats, ec2_video),
        since=_since(bodies),
        services=services,
    )


def public_station(station: OperatorStation) -> PublicStation:
    """Return the part of the statistics that is public."""
    return PublicStation(live=station.live, viewers=station.viewers, share=station.share)


class Station:
    """Reads the services, at most once a second however many requests come in."""

    def __init__(self, settings: SiteSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._refreshing = asyncio.Lock()
        self._latest: tuple[ServiceBodies, OperatorStation] | None = None
        self._refreshed_at = float("-inf")

    async def stats(self) -> OperatorStation:
        """Return the station's statistics, at most a second old."""
        return (await self._refreshed())[1]

    async def counters(self) -> CounterSample:
        """Return the counters, at most a second old."""
        bodies, _ = await self._refreshed()
        return read_counters(bodies, round(time.time()), sent_bytes())

    async def start_times(self) -> dict[str, str | None]:
        """Return when each service started, ISO 8601."""
        bodies, _ = await self._refreshed()
        return start_times(bodies)

    async def _refreshed(self) -> tuple[ServiceBodies, OperatorStation]:
        loop = asyncio.get_running_loop()
        async with self._refreshing:
            if self._latest is None or loop.time() - self._refreshed_at > CACHE_S:
                bodies = await self._get_bodies()
                has_gateway = self._settings.gateway_metrics_url is not None
                self._latest = bodies, operator_station(bodies, has_gateway=has_gateway)
                self._refreshed_at = loop.time()
            return self._latest

    async def get_from_signaling(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> ServiceResponse | None:
        """Return signaling's response, 200 or (to a bad query) 400; None if there is none."""
        response = await self._fetch(f"{self._settings.signaling_url}{path}", query)
        if response is None or response.service != "signaling":
            return None
        return response if response.status in (200, 400) else None

    async def _get_bodies(self) -> ServiceBodies:
        broadcaster, signaling = self._settings.broadcaster_url, self._settings.signaling_url
        bodies = await asyncio.gather(
            self._get(f"{broadcaster}/health"),
            self._get(f"{broadcaster}/metrics"),
            self._get(f"{signaling}/health"),
            self._get(f"{signaling}/metrics"),
            self._get(f"{signaling}/stats"),
            self._get(self._settings.gateway_metrics_url),
            self._get(self._settings.store_metrics_url),
        )
        return ServiceBodies(*bodies, own_metrics=generate_latest())

    async def _get(self, url: str | None) -> bytes | None:
        """Return the body, whatever the status: a failing service's /health returns 503."""
        response = None if url is None else await self._fetch(url)
        return response and response.body

    async def _fetch(
        self, url: str, query: Mapping[str, str] | None = None
    ) -> ServiceResponse | None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(url, params=query, timeout=timeout) as response:
                service = response.headers.get("X-Shoal")
                return ServiceResponse(response.status, service, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s does not respond: %s", url, error or type(error).__name__)
            return None


class _Health(msgspec.Struct):
    status: str


def _health(body: bytes | None) -> msgspec.Raw:
    if body is None:
        return UNREACHABLE
    try:
        msgspec.json.decode(body, type=_Health)
    except msgspec.DecodeError:
        return UNREACHABLE
    return msgspec.Raw(body)


def _stats(body: bytes | None) -> SignalingStats | None:
    if body is None:
        return None
    try:
        return msgspec.json.decode(body, type=SignalingStats)
    except msgspec.DecodeError:
        return None


def _cost(
    bodies: ServiceBodies, stats: SignalingStats | None, ec2_video: Ec2Video
) -> RunningCost | None:
    """Return the cost of the traffic so far; None if any part of it is unknown."""

    def count(metrics: bytes | None, name: str) -> int | None:
        return read(metrics, lambda text: counter_total(text, name))

    broadcaster = bodies.broadcaster_metrics
    stored, segments = count(broadcaster, STORED_BYTES), count(broadcaster, STORED_SEGMENTS)
    seeded = count(broadcaster, SEED_BYTES)
    if (
        stored is None
        or segments is None
        or seeded is None
        or stats is None
        or ec2_video.services is None
    ):
        return None
    return running_cost(
        Traffic(
            stored_bytes=stored,
            stored_segments=segments,
            host_video_bytes=max(ec2_video.services, ec2_video.gateway or 0),
            seed_bytes=seeded,
            wanted_bytes=stats.wanted,
            received_bytes=stats.bytes.total,
        )
    )


def _since(bodies: ServiceBodies) -> CountingSince:
    def latest_start(*metrics: bytes | None) -> str | None:
        times: list[datetime] = []
        for text in metrics:
            start = read(text, started_at)
            if start is None:
                return None
            times.append(start)
        return max(times).isoformat(timespec="seconds")

    return CountingSince(
        viewers=latest_start(bodies.signaling_metrics),
        services=latest_start(
            bodies.broadcaster_metrics, bodies.signaling_metrics, bodies.own_metrics
        ),
        gateway=latest_start(bodies.gateway_metrics),
        store=latest_start(bodies.store_metrics),
    )

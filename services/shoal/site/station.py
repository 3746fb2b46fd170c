"""What `/api/…` answers: the other services are asked on their loopback ports, and summed."""

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
from shoal.ops.running_cost import Traffic, running_cost
from shoal.site.metrics_reader import (
    SEED_BYTES,
    STORED_BYTES,
    STORED_SEGMENTS,
    counted,
    started_at,
    store_bytes,
)
from shoal.site.nic_counters import sent_bytes
from shoal.site.readings import Answers, by_service, counts, read, started, total, video

log = logging.getLogger("shoal.site")

TIMEOUT_S = 2.0
CACHE_S = 1.0

UNREACHABLE = msgspec.Raw(b'{"status":"unreachable"}')
OK = msgspec.Raw(b'{"status":"ok"}')


@dataclass(frozen=True)
class Answer:
    """What a service said."""

    status: int
    who: str | None
    """its X-Shoal"""
    body: bytes


def operator_station(answers: Answers, *, has_gateway: bool) -> OperatorStation:
    """Return the station's figures; what could not be asked for is None."""
    stats = _stats(answers.signaling_stats)
    services = {
        "broadcaster": _health(answers.broadcaster_health),
        "signaling": _health(answers.signaling_health),
    }
    if has_gateway:
        services["gateway"] = UNREACHABLE if answers.gateway_metrics is None else OK
    ec2_video = Ec2Video(
        services=total(*(video(text, name) for name, text in by_service(answers).items())),
        gateway=video(answers.gateway_metrics, None),
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
        store_sent=read(answers.store_metrics, store_bytes),
        cost=_cost(answers, stats, ec2_video),
        since=_since(answers),
        services=services,
    )


def public_station(station: OperatorStation) -> PublicStation:
    """Return the part of the figures that everybody may see."""
    return PublicStation(live=station.live, viewers=station.viewers, share=station.share)


class Station:
    """Asks the services, at most once a second however many ask us."""

    def __init__(self, settings: SiteSettings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session
        self._asking = asyncio.Lock()
        self._latest: tuple[Answers, OperatorStation] | None = None
        self._asked_at = float("-inf")

    async def figures(self) -> OperatorStation:
        """Return the station's figures, at most a second old."""
        return (await self._look())[1]

    async def counts(self) -> CounterSample:
        """Return what the counters say, at most a second old."""
        answers, _ = await self._look()
        return counts(answers, round(time.time()), sent_bytes())

    async def started(self) -> dict[str, str | None]:
        """Return when each service started."""
        answers, _ = await self._look()
        return started(answers)

    async def _look(self) -> tuple[Answers, OperatorStation]:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._latest is None or loop.time() - self._asked_at > CACHE_S:
                answers = await self._ask()
                has_gateway = self._settings.gateway_metrics_url is not None
                self._latest = answers, operator_station(answers, has_gateway=has_gateway)
                self._asked_at = loop.time()
            return self._latest

    async def ask_signaling(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Return signaling's answer, 200 or (to a wrong question) 400; None when it gives none."""
        answer = await self._fetch(f"{self._settings.signaling_url}{path}", query)
        ours = answer is not None and answer.who == "signaling" and answer.status in (200, 400)
        return answer if ours else None

    async def _ask(self) -> Answers:
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
        return Answers(*bodies, own_metrics=generate_latest())

    async def _get(self, url: str | None) -> bytes | None:
        """Return the body, whatever the status: a failing service's health answers 503."""
        answer = None if url is None else await self._fetch(url)
        return answer and answer.body

    async def _fetch(self, url: str, query: Mapping[str, str] | None = None) -> Answer | None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.get(url, params=query, timeout=timeout) as response:
                who = response.headers.get("X-Shoal")
                return Answer(response.status, who, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s does not answer: %s", url, error or type(error).__name__)
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
    answers: Answers, stats: SignalingStats | None, ec2_video: Ec2Video
) -> RunningCost | None:
    """Return what the traffic has cost; None while something of it is not known."""

    def count(metrics: bytes | None, name: str) -> int | None:
        return read(metrics, lambda text: counted(text, name))

    broadcaster = answers.broadcaster_metrics
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


def _since(answers: Answers) -> CountingSince:
    def said(*metrics: bytes | None) -> str | None:
        times: list[datetime] = []
        for text in metrics:
            began = read(text, started_at)
            if began is None:
                return None
            times.append(began)
        return max(times).isoformat(timespec="seconds")

    return CountingSince(
        viewers=said(answers.signaling_metrics),
        services=said(answers.broadcaster_metrics, answers.signaling_metrics, answers.own_metrics),
        gateway=said(answers.gateway_metrics),
        store=said(answers.store_metrics),
    )

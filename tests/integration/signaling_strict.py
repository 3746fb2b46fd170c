"""Shared by tests of access and limits: a service with narrow limits, and counters to read."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import REGISTRY

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.signaling_station import TOKEN, Signaling, running_signaling
from tests.support.raw_websocket import (
    message,
)

[LIVE] = info_hashes(SWARM_ID)
MAX_SOCKETS = 5
MAX_MESSAGES = 20.0
BROADCASTER = f"Authorization: Bearer {TOKEN}"
EDGE = "CF-Connecting-IP: 203.0.113.7"


@asynccontextmanager
async def strict_signaling() -> AsyncGenerator[Signaling]:
    async with running_signaling(
        embed_origins=["https://blog.example"],
        max_sockets_per_address=MAX_SOCKETS,
        max_messages_per_s=MAX_MESSAGES,
    ) as running:
        yield running


class Counted:
    """How much a counter has risen since this was created."""

    def __init__(self, name: str, code: str) -> None:
        self._name, self._labels = f"{name}_total", {"code": code}
        self._before = self._now()

    def _now(self) -> float:
        return REGISTRY.get_sample_value(self._name, self._labels) or 0.0

    def __call__(self) -> float:
        return self._now() - self._before


def refused(code: str) -> Counted:
    return Counted("shoal_handshakes_refused", code)


def cut(code: str) -> Counted:
    return Counted("shoal_signaling_sockets_cut", code)


def announce(number: int, info_hash: str = LIVE, **fields: Any) -> bytes:
    peer_id = f"-XX0001-{number:012d}"
    fields = {"info_hash": info_hash, "peer_id": peer_id, "left": 1, **fields}
    return message(action="announce", **fields)


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not probe():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


# --- origins ---

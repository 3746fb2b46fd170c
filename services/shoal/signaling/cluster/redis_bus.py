"""Pub/sub through Redis or Valkey: each message reaches all nodes that are connected."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shoal.aio import until_first_ends
from shoal.backoff import Backoff

log = logging.getLogger("shoal.signaling")

RECONNECT_FIRST_S = 0.25
RECONNECT_MAX_S = 3.0
TIMEOUT_S = 5.0
PING_EVERY_S = 5
MAX_QUEUED = 50_000
"""messages; if Redis is slower than that, the rest is lost, and nodes send snapshots"""


class RedisBus:
    """Publishes and subscribes, and reconnects by itself."""

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        on_message: Callable[[bytes], None],
        on_connected: Callable[[], None],
    ) -> None:
        """Subscribe to `channels` of the Redis at `url`, redis:// or rediss:// with credentials."""
        self._url = url
        self._channels = channels
        self._on_message = on_message
        self._on_connected = on_connected
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.connected = False
        self.fault: str | None = "not connected yet"
        """why there is no connection, without credentials; None while there is one"""

    def publish(self, channel: str, data: bytes) -> None:
        """Publish to all subscribers of the channel; drops the message while disconnected."""
        if self.connected and self._queue.qsize() < MAX_QUEUED:
            self._queue.put_nowait((channel, data))

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MAX_S)
        while True:
            try:
                await self._connect_and_run()
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected or self.fault == "not connected yet":
                    log.warning("lost the cluster's Redis: %s", error)
                    backoff.reset()
                self.fault = f"the cluster's Redis: {error}"
            finally:
                self.connected = False
            await backoff.wait()

    async def _connect_and_run(self) -> None:
        redis: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            self._url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=PING_EVERY_S,
        )
        async with redis, redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(*self._channels)
            self._queue = asyncio.Queue()
            self.connected, self.fault = True, None
            log.info("connected to the cluster's Redis")
            self._on_connected()
            await until_first_ends(self._receive(subscription), self._send(redis))

    async def _receive(self, subscription: Any) -> None:
        while True:
            message = await subscription.get_message(timeout=PING_EVERY_S)
            if message is not None:
                self._on_message(message["data"])

    async def _send(self, redis: Any) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            async with redis.pipeline(transaction=False) as pipeline:
                for channel, data in batch:
                    pipeline.publish(channel, data)
                await pipeline.execute()

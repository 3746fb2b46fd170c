"""The room service's timer, on the event loop that signaling uses."""

import asyncio

import uvloop

from shoal.announcements import Stream
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.redis_router import RedisRouter
from shoal.signaling.room_service import RoomService


class Late(RedisRouter):
    """Always due a second ago: a busy loop has not got to it."""

    ticks = 0

    @property
    def due(self) -> float | None:
        """When `tick` was due."""
        return asyncio.get_running_loop().time() // 1 - 1 if self.ticks == 0 else None

    def tick(self, now: float) -> Effects:
        """Count the call."""
        self.ticks += 1
        return super().tick(now)


def test_an_overdue_tick_runs_once() -> None:
    async def happen() -> int:
        room_service = RoomService()
        late = room_service.router = Late(room_service.node, room_service.broadcast)
        for live in (True, False, True):
            room_service.set_stream(Stream("abc", live=live))
        await asyncio.sleep(0.05)
        room_service.close()
        return late.ticks

    assert uvloop.run(happen()) == 1

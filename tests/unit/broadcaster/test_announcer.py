"""What is sent to a signaling that accepts one message at a time."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import msgspec

from shoal.aio import Changes
from shoal.announcements import FromBroadcaster, Replays, Segment, Stream, Swarms
from shoal.broadcaster.announcer import Announcer
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.on_air import OnAir
from shoal.broadcaster.recordings.service import NoReplays
from shoal.broadcaster.response_cache import ResponseCache
from shoal.broadcaster.timeline import Timeline
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry


class Socket:
    """Takes a message only when it is asked for one."""

    def __init__(self) -> None:
        self._sent: asyncio.Queue[str] = asyncio.Queue(1)

    async def send_str(self, text: str) -> None:
        await self._sent.put(text)

    async def receive(self) -> FromBroadcaster:
        async with asyncio.timeout(5):
            return msgspec.json.decode(await self._sent.get(), type=FromBroadcaster)


async def test_the_announcer_keeps_no_queue_but_reads_what_signaling_lacks_from_the_timeline(
    tmp_path: Path,
) -> None:
    timeline, watcher, changes, socket = Timeline(), HlsWatcher(tmp_path), Changes(), Socket()

    def publish(index: int) -> None:
        sequence = assign_sequence(timeline, "a", index)
        timeline.append(entry(timeline, sequence, index=index), NOW)
        changes.notify()

    pipeline: Any = SimpleNamespace(published_at_s=None)
    announcer = Announcer(
        "http://signaling",
        "token",
        timeline=timeline,
        on_air=OnAir(watcher, pipeline, timeline),
        cache=ResponseCache(timeline, watcher),
        replays=NoReplays(),
        changes=changes,
    )
    for index in range(9):
        publish(index)
    sending = asyncio.create_task(
        announcer._send_new(cast("aiohttp.ClientWebSocketResponse", socket), {0: 6})
    )
    assert await socket.receive() == Stream("a", live=False)
    assert isinstance(await socket.receive(), Swarms)
    assert isinstance(await socket.receive(), Replays)
    publish(9)  # while it is busy with the others
    publish(10)
    sequences: list[int] = []
    while len(sequences) < 4:
        message = await socket.receive()
        if isinstance(message, Segment):
            sequences.append(message.descriptor.sequence)
    assert sequences == [7, 8, 9, 10]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

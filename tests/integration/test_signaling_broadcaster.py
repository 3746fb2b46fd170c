"""`/broadcaster` with real sockets."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio

from shoal.announcements import Segment, Stream
from tests.integration.signaling_station import Signaling, running_signaling
from tests.unit.signaling.make import descriptor


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Authorization": "no"}])
async def test_only_a_client_with_the_token_is_accepted(
    service: Signaling, headers: dict[str, str]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await service.session.ws_connect(f"{service.url}/broadcaster", headers=headers)
    assert refused.value.status == 401
    assert (await service.get("/health"))["broadcasters"] == 0


def audience(room_peers: int) -> dict[str, object]:
    return {"type": "audience", "room_peers": room_peers, "linked": 0, "uploaded": 0}


async def test_it_resumes_after_the_newest_segments_and_repeats_are_dropped(
    service: Signaling,
) -> None:
    viewer = await service.join()
    broadcaster = await service.broadcaster()
    assert await broadcaster.next() == {"type": "resume", "after": {}}
    for sequence, variant in ((5, 0), (6, 0), (5, 1)):
        await broadcaster.announce(Segment(descriptor(sequence, variant)))
    await viewer.until(lambda m: m["type"] == "segment" and m["descriptor"]["variant"] == 1)
    await broadcaster.ws.close()

    broadcaster = await service.broadcaster()
    assert await broadcaster.next() == {"type": "resume", "after": {"0": 6, "1": 5}}
    for sequence in (4, 5, 6, 7):
        await broadcaster.announce(Segment(descriptor(sequence)))
    assert (await viewer.next())["descriptor"]["sequence"] == 7
    assert (await service.get("/health"))["chunks"] == 4


async def test_it_receives_the_number_of_viewers(service: Signaling) -> None:
    ann = await service.join()
    broadcaster = await service.broadcaster()
    await broadcaster.next()
    assert await broadcaster.next() == audience(1)
    await service.join()
    assert await broadcaster.next() == audience(2)
    await ann.ws.close()
    assert await broadcaster.next() == audience(1)


async def test_a_second_broadcaster_takes_over(service: Signaling) -> None:
    first = await service.broadcaster()
    await first.next()
    second = await service.broadcaster()
    assert await second.next() == {"type": "resume", "after": {}}
    assert await first.closed() == 1008
    assert (await service.get("/health"))["broadcasters"] == 1
    viewer = await service.join()
    await second.announce(Segment(descriptor(1)))
    assert (await viewer.next())["type"] == "segment"


async def test_only_a_stream_message_sets_on_air(service: Signaling) -> None:
    broadcaster = await service.broadcaster()
    viewer = await service.join()
    await broadcaster.announce(Stream("abc", live=True))
    assert await viewer.next() == {"type": "stream", "stream": "abc", "live": True}
    await broadcaster.ws.close()
    broadcaster = await service.broadcaster()
    await broadcaster.announce(Stream("abc", live=True))
    await broadcaster.announce(Stream("abc", live=False))
    assert await viewer.next() == {"type": "stream", "stream": "abc", "live": False}
    stats = await service.get("/stats")
    assert (stats["live"], stats["stream"]) == (False, "abc")


async def test_an_invalid_announcement_closes_the_websocket(service: Signaling) -> None:
    broadcaster = await service.broadcaster()
    await broadcaster.next()
    await broadcaster.ws.send_str('{"type":"segment"}')
    assert await broadcaster.closed() == 1008
    await service.broadcaster()

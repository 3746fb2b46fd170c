"""`/history`, `/viewers` and viewers' metrics, with real sockets."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from shoal.announcements import Segment
from shoal.signaling.stats.history import STEP_S
from tests.integration.signaling_station import Client, Signaling, running_signaling
from tests.unit.signaling.make import descriptor

NONE = {"p2p": 0, "store": 0, "seed": 0}


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def report(viewer: Client, **stats: Any) -> None:
    rest = {"startup": NONE, "uploaded": 0, "peers": 1, "stalls": 0}
    await viewer.send(type="stats", **{**rest, **stats})


async def until_handled(viewer: Client) -> None:
    """Wait until signaling has handled a viewer's messages, since it answers in order."""
    await viewer.send(type="ready")
    await viewer.until(
        lambda m: (
            m["type"] == "room"
            and any(line["id"] == viewer.id and line["ready"] for line in m["members"])
        )
    )


async def test_each_viewer_s_last_report_can_be_read(service: Signaling) -> None:
    joined_at = time.time()
    ann, ben = await service.join(), await service.join(variant=1)
    received = {"p2p": 600, "store": 500, "seed": 20}
    startup = {"p2p": 0, "store": 100, "seed": 0}
    await ann.send(type="variant", variant=1)
    await report(ann, bytes=received, startup=startup, uploaded=7, stalls=2, latency_s=9.5)
    await report(
        ann, bytes={**received, "p2p": 10**15}
    )  # an implausible report, which changes nothing
    await until_handled(ann)
    first, second = (await service.get("/viewers"))["viewers"]
    assert abs(first.pop("since") - joined_at) < 5
    assert first == {
        "id": ann.id,
        "variant": 1,
        "sharing": True,
        "bytes": received,
        "startup": startup,
        "uploaded": 7,
        "links": 1,
        "stalls": 2,
        "latency_s": 9.5,
    }
    assert (second["id"], second["variant"], second["bytes"]) == (ben.id, 1, None)
    await ann.ws.close()
    await ben.room_of(1)
    assert [line["id"] for line in (await service.get("/viewers"))["viewers"]] == [ben.id]


async def test_a_viewer_cannot_report_more_than_was_published_of_its_variants(
    service: Signaling,
) -> None:
    broadcaster = await service.broadcaster()
    ann = await service.join()
    for sequence, variant in ((1, 0), (1, 1), (2, 1), (3, 1)):
        await broadcaster.announce(Segment(descriptor(sequence, variant)))
    last = {"variant": 1, "sequence": 3}
    await ann.until(lambda m: m["type"] == "segment" and last.items() <= m["descriptor"].items())
    size = descriptor(1).size
    on_one = (1 + 60) * size
    await report(ann, bytes={**NONE, "p2p": on_one})
    await report(ann, bytes={**NONE, "p2p": on_one + 1})
    for number in range(100):
        await ann.send(type="variant", variant=1 - number % 2)
    on_both = on_one + 60 * size
    await report(ann, bytes={**NONE, "p2p": on_both, "store": 2 * on_both})
    await report(ann, bytes={**NONE, "p2p": on_both + 1, "store": 2 * on_both})
    await until_handled(ann)
    stats = await service.get("/stats")
    assert stats["bytes"] == {"p2p": on_both, "store": 2 * on_both, "seed": 0}


async def test_the_history_has_a_row_for_each_ten_seconds(service: Signaling) -> None:
    ann, ben = await service.join(), await service.join()
    await report(ann, bytes={"p2p": 600, "store": 500, "seed": 0}, latency_s=9.5)
    await report(ben, bytes=NONE, peers=0)
    await until_handled(ann)
    rows: dict[str, Any] = {"at": []}
    async with asyncio.timeout(2 * STEP_S):
        while not rows["at"]:
            await asyncio.sleep(0.1)
            rows = await service.get("/history")
    at = rows.pop("at")
    assert abs(at[0] - time.time()) < STEP_S
    assert at[0] % STEP_S == 0
    assert rows == {
        "step_s": 10,
        "viewers": [2],
        "linked": [1],
        "rooms": [1],
        "p2p": [600],
        "store": [500],
        "seed": [0],
        "startup": [0],
        "startup_p2p": [0],
        "wanted": [0],
        "uploaded": [0],
        "stalls": [0],
        "latency_s": [9.5],
        "replays_p2p": [0],
        "replays_store": [0],
    }
    assert (await service.get(f"/history?after={at[0] - 1}"))["at"] == at
    assert (await service.get(f"/history?after={at[0] + 0.5}"))["at"] == []


async def test_rooms_shows_members_and_their_pushes(service: Signaling) -> None:
    assert await service.get("/rooms") == {"rooms": [], "apart": 0, "picture": None}
    broadcaster = await service.broadcaster()
    ann, ben = await service.join(), await service.join()
    for viewer in (ann, ben):
        await until_handled(viewer)
    await broadcaster.announce(Segment(descriptor(1)))
    await ben.until(lambda m: m["type"] == "segment")
    await report(ann, bytes=NONE, latency_s=9.5)
    await until_handled(ann)
    view = await service.get("/rooms")
    picture = view.pop("picture")
    assert view == {
        "rooms": [{"room": picture["room"], "members": 2, "ready": 2}],
        "apart": 0,
    }
    assert [line["id"] for line in picture["members"]] == [ann.id, ben.id]
    assert picture["members"][0]["figures"]["latency_s"] == 9.5
    assert picture["pieces"] == {"0": 3}
    assert sorted(picture["from_store"]) == ["0", "1"]
    assert {(sender, to) for sender, to, _ in picture["pushes"]} == {(0, 1), (1, 0)}
    assert (await service.get("/rooms?room=gone"))["picture"]["room"] == picture["room"]


@pytest.mark.parametrize("after", ["", "now", "nan", "inf", "1e999", "0x10", "1,5"])
async def test_a_wrong_time_is_refused(service: Signaling, after: str) -> None:
    async with service.session.get(f"{service.url}/history", params={"after": after}) as refused:
        assert refused.status == 400
        assert refused.headers["Cache-Control"] == "no-store"
        assert (await refused.json())["error"]["code"] == "bad_after"


async def test_prometheus_reads_viewers_by_variant_and_their_latency(service: Signaling) -> None:
    ann, _ben, _cy = [await service.join(variant=variant) for variant in (0, 2, 2)]
    before = await service.text("/metrics")
    assert 'shoal_rendition_viewers{variant="0"} 1.0' in before
    assert 'shoal_rendition_viewers{variant="2"} 2.0' in before
    assert "shoal_viewer_latency_median_seconds" not in before  # unknown is not 0
    await report(ann, bytes=NONE, latency_s=9.5)
    await ann.send(type="variant", variant=2)
    await until_handled(ann)
    after = await service.text("/metrics")
    assert 'shoal_rendition_viewers{variant="2"} 3.0' in after
    assert 'variant="0"' not in after
    assert "shoal_viewer_latency_median_seconds 9.5" in after

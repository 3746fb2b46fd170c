"""Corrupt pieces: nobody plays them, and their sender is expelled. A data saver only receives."""

import json
from collections.abc import Sequence
from contextlib import ExitStack

from playwright.sync_api import Browser

from tests.support.corrupt_peer import CORRUPT_PIECES, RECORD_SEGMENTS, unpublished_segments
from tests.support.socks import leaving_from
from tests.support.station import Station
from tests.support.viewers import Viewer, received

SAVES_DATA = """
const connection = Object.assign(new EventTarget(), { saveData: true });
Object.defineProperty(navigator, "connection", { value: connection });
"""
MEASURED_SEGMENTS = 6


def wait_for_sharing(running: Station, viewers: Sequence[Viewer]) -> None:
    """Wait until viewers share and their start-up is over."""
    for viewer in viewers:
        viewer.wait(f"s.ready && s.peers === {len(viewers) - 1} && s.playing", 45)
    running.wait_published(running.published() + 2)


def reported_members(viewer: Viewer) -> list[str]:
    """Return the members that a viewer has reported."""
    sent = [json.loads(frame) for frame in viewer.sent]
    return [message["member"] for message in sent if message["type"] == "report"]


def corrupt_peer_is_expelled(browser: Browser, running: Station, stack: ExitStack) -> None:
    # signaling expels after reports from two addresses, neither of them the corrupt peer's
    addresses = ("", "127.0.0.2", "127.0.0.3")
    proxies = [stack.enter_context(leaving_from(one)) if one else "" for one in addresses]
    scripts = (RECORD_SEGMENTS, RECORD_SEGMENTS, CORRUPT_PIECES)
    viewers = [
        Viewer(browser, running.local["watch"], script=script, proxy=proxy)
        for script, proxy in zip(scripts, proxies, strict=True)
    ]
    *honest, corrupt = viewers
    wait_for_sharing(running, viewers)
    before = [viewer.stats() for viewer in honest]
    corrupt_id = corrupt.stats()["id"]
    assert all(viewer.stats()["segments"]["bad_pieces"] == 0 for viewer in honest)

    corrupt.page.evaluate("() => { window.corrupt = true; }")
    for viewer in honest:
        viewer.wait("s.segments.bad_pieces > 0", 30)
    # it is expelled: no longer in the room, without links, and it does not come back
    for viewer in honest:
        viewer.wait("s.members === 2", 30)
    corrupt.wait("s.peers === 0", 30)
    running.wait_published(running.published() + MEASURED_SEGMENTS, 60)
    assert [viewer.stats()["members"] for viewer in honest] == [2, 2]
    assert corrupt.stats()["id"] == corrupt_id

    published = running.descriptors()
    assert corrupt.page.evaluate("() => window.corrupted") > 0
    assert "expelled: other viewers received bad pieces from it" in running.log("signaling")
    for viewer, first in zip(honest, before, strict=True):
        assert corrupt_id in reported_members(viewer)
        last = viewer.stats()
        assert last["playing"]
        assert last["stalls"] == first["stalls"]
        assert last["position_s"] > first["position_s"] + (MEASURED_SEGMENTS - 2) * 2
        # the other honest viewer is still there, and sends
        assert received(first, last)["p2p"] > 0
        fed = viewer.page.evaluate("() => window.demuxed")
        assert len(fed) > MEASURED_SEGMENTS
        assert unpublished_segments(fed, published) == []
        assert viewer.errors() == []


def test_corrupt_pieces_reach_no_player_and_their_sender_is_expelled(
    browser: Browser, running: Station
) -> None:
    with ExitStack() as stack:
        corrupt_peer_is_expelled(browser, running, stack)


def test_a_viewer_with_data_saver_receives_from_peers_and_sends_nothing(
    browser: Browser, running: Station
) -> None:
    scripts = ("", "", SAVES_DATA)
    viewers = [Viewer(browser, running.local["watch"], script=script) for script in scripts]
    wait_for_sharing(running, viewers)
    before = [viewer.stats() for viewer in viewers]
    for viewer, first in zip(viewers, before, strict=True):
        viewer.wait(f"s.segments.complete >= {first['segments']['complete'] + 6}", 60)
    after = [viewer.stats() for viewer in viewers]

    received_bytes = [received(one, two) for one, two in zip(before, after, strict=True)]
    totals = [sum(bytes_of.values()) for bytes_of in received_bytes]
    assert sum(one["p2p"] for one in received_bytes) / sum(totals) >= 0.60, received_bytes
    assert received_bytes[2]["p2p"] / totals[2] >= 0.90, received_bytes
    assert after[2]["uploaded"] == 0
    for one, two in zip(before, after, strict=True):
        assert two["stalls"] == one["stalls"]
        assert two["playing"]

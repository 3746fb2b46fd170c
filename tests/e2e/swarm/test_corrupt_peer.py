"""Who sends false bytes is found out, and nobody plays them; who sends none gets its share."""

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
SEGMENTS_WATCHED = 6


def watching(running: Station, viewers: Sequence[Viewer]) -> None:
    """Wait until viewers share, and until start-up is behind them."""
    for viewer in viewers:
        viewer.wait(f"s.ready && s.peers === {len(viewers) - 1} && s.playing", 45)
    running.wait_published(running.published() + 2)


def reports(viewer: Viewer) -> list[str]:
    """The members whom a viewer has reported."""
    sent = [json.loads(frame) for frame in viewer.sent]
    return [message["member"] for message in sent if message["type"] == "report"]


def poisoned(browser: Browser, running: Station, stack: ExitStack) -> None:
    # the complaints of two addresses count, and of neither is the poisoner
    addresses = ("", "127.0.0.2", "127.0.0.3")
    proxies = [stack.enter_context(leaving_from(one)) if one else "" for one in addresses]
    scripts = (RECORD_SEGMENTS, RECORD_SEGMENTS, CORRUPT_PIECES)
    viewers = [
        Viewer(browser, running.local["watch"], script=script, proxy=proxy)
        for script, proxy in zip(scripts, proxies, strict=True)
    ]
    *honest, poisoner = viewers
    watching(running, viewers)
    before = [viewer.stats() for viewer in honest]
    culprit = poisoner.stats()["id"]
    assert all(viewer.stats()["segments"]["bad_pieces"] == 0 for viewer in honest)

    poisoner.page.evaluate("() => { window.corrupt = true; }")
    for viewer in honest:
        viewer.wait("s.segments.bad_pieces > 0", 30)
    # expelled: it is in the room no more, nobody is linked to it, and it does not come back
    for viewer in honest:
        viewer.wait("s.members === 2", 30)
    poisoner.wait("s.peers === 0", 30)
    running.wait_published(running.published() + SEGMENTS_WATCHED, 60)
    assert [viewer.stats()["members"] for viewer in honest] == [2, 2]
    assert poisoner.stats()["id"] == culprit

    published = running.descriptors()
    assert poisoner.page.evaluate("() => window.poisoned") > 0
    assert "expelled: other viewers received bad pieces from it" in running.log("signaling")
    for viewer, first in zip(honest, before, strict=True):
        assert culprit in reports(viewer)
        last = viewer.stats()
        assert last["playing"]
        assert last["stalls"] == first["stalls"]
        assert last["position_s"] > first["position_s"] + (SEGMENTS_WATCHED - 2) * 2
        # the other honest one is still there, and sends
        assert received(first, last)["p2p"] > 0
        fed = viewer.page.evaluate("() => window.demuxed")
        assert len(fed) > SEGMENTS_WATCHED
        assert unpublished_segments(fed, published) == []
        assert viewer.errors() == []


def test_false_bytes_reach_no_player_and_cost_their_sender_its_place(
    browser: Browser, running: Station
) -> None:
    with ExitStack() as stack:
        poisoned(browser, running, stack)


def test_a_viewer_that_saves_data_gets_its_share_and_sends_nothing(
    browser: Browser, running: Station
) -> None:
    scripts = ("", "", SAVES_DATA)
    viewers = [Viewer(browser, running.local["watch"], script=script) for script in scripts]
    watching(running, viewers)
    before = [viewer.stats() for viewer in viewers]
    for viewer, first in zip(viewers, before, strict=True):
        viewer.wait(f"s.segments.complete >= {first['segments']['complete'] + 6}", 60)
    after = [viewer.stats() for viewer in viewers]

    came = [received(one, two) for one, two in zip(before, after, strict=True)]
    totals = [sum(bytes_of.values()) for bytes_of in came]
    assert sum(one["p2p"] for one in came) / sum(totals) >= 0.60, came
    assert came[2]["p2p"] / totals[2] >= 0.90, came
    assert after[2]["uploaded"] == 0
    for one, two in zip(before, after, strict=True):
        assert two["stalls"] == one["stalls"]
        assert two["playing"]

"""Our tracker serves another player: p2p-media-loader, on /p2pml."""

from playwright.sync_api import Browser

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.support.corrupt_peer import CORRUPT_P2PML_PIECES
from tests.support.p2pml import assert_shared
from tests.support.pages import COUNT_CONNECTIONS
from tests.support.station import Station
from tests.support.viewers import Viewer


def test_three_viewers_share(browser: Browser, running: Station) -> None:
    assert_shared(browser, running, 3, info_hashes(SWARM_ID))


def test_corrupt_segments_are_rejected(browser: Browser, running: Station) -> None:
    url = f"{running.local['gateway']}/p2pml"
    corrupt = Viewer(browser, url, hook="p2pml", script=CORRUPT_P2PML_PIECES)
    corrupt.wait("s.playing")
    viewer = Viewer(browser, url, hook="p2pml")
    viewer.wait("s.playing && s.refused > 0")
    running.wait_published(running.published() + 2)
    stats = viewer.stats()
    assert stats["playing"]
    assert stats["stalls"] == 0
    assert corrupt.stats()["refused"] == 0


def test_the_preference_not_to_share_applies_here_too(browser: Browser, running: Station) -> None:
    url = f"{running.local['gateway']}/p2pml"
    other = Viewer(browser, url, hook="p2pml")
    script = """localStorage.setItem("shoal.preferences", '{"share": false}');"""
    viewer = Viewer(browser, url, hook="p2pml", script=script + COUNT_CONNECTIONS)
    viewer.wait("s.playing && s.http > 0")
    running.wait_published(running.published() + 2)
    assert viewer.page.evaluate("() => made") == 0
    assert (viewer.stats()["p2p"], viewer.stats()["uploaded"]) == (0, 0)
    assert viewer.page.inner_text("#state") == "from the store: sharing is off"
    assert other.stats()["playing"]

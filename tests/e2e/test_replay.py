"""Replays as people watch them: a list, a picture, and others who watch the same."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from shoal.broadcaster.replay.catalogue import swarm_id
from shoal.p2p_media_loader import info_hashes
from tests.support.looks import picture, serious
from tests.support.poison import POISONING_OTHERS
from tests.support.station import Station, fetch, rtmp_push, station, wait_for
from tests.support.viewers import Viewer, chromium

QUICK = ("--source", "rtmp", "--bitrate", "400", "--segment-seconds", "2")
STREAM_S = 50
"""what a viewer needs at once comes from the store: there must be more"""
SPEED = 3
"""so many times faster it is pushed"""

ANNOUNCE = """async (infohash) => {
  const binary = String.fromCharCode(...infohash.match(/../g).map((byte) => parseInt(byte, 16)));
  const socket = new WebSocket(`ws://${location.host}/ws?no-token`);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const answer = new Promise((resolve) => { socket.onmessage = resolve; });
  const who = { info_hash: binary, peer_id: "-XX0001-000000000000" };
  const state = { numwant: 0, uploaded: 0, downloaded: 0, left: 1, event: "started", offers: [] };
  socket.send(JSON.stringify({ action: "announce", ...who, ...state }));
  return JSON.parse((await answer).data);
}"""


def listed(running: Station) -> list[dict[str, Any]]:
    return json.loads(fetch(f"{running.local['gateway']}/live/replays.json"))["replays"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station that is offline, with a replay and its torrent."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOAL_REPLAY", "true")
        environment.setenv("SHOAL_END_GRACE_S", "1")
        with station(tmp_path_factory.mktemp("replay") / "data", *QUICK) as started:
            with rtmp_push(f"{started.local['rtmp']}/key", seconds=STREAM_S, speed=SPEED) as push:
                push.wait(STREAM_S + 40)
            wait_for("a replay", lambda: any(r["torrent"] for r in listed(started)), 60)
            yield started


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_two_viewers_of_a_replay_share_it(running: Station, browser: Browser) -> None:
    gateway = running.local["gateway"]
    [replay] = listed(running)
    assert replay["duration"] > STREAM_S - 10

    watch = Viewer(browser, gateway, width=1366, height=768)
    watch.page.get_by_text("The station is offline.").wait_for(timeout=20_000)
    picture(watch.page, "replay-offline")
    watch.page.get_by_role("link", name="Replays").click()
    watch.page.get_by_text("Streams to be watched again").wait_for()
    picture(watch.page, "replay-list")
    assert serious(watch.page) == []
    watch.page.locator("#list a").click()
    first = watch
    first.hook = "replay"
    first.wait("s.playing")
    second = Viewer(browser, first.page.url, hook="replay", width=1366, height=768)
    second.wait("s.playing && s.peers >= 1 && s.p2p > 0", 60)
    first.wait("s.uploaded > 0")

    stats = second.stats()
    assert stats["http"] > 0
    assert [(v.stats()["stalls"], v.stats()["refused"]) for v in (first, second)] == [(0, 0)] * 2
    second.page.wait_for_timeout(1500)  # the figures are shown once a second
    second.page.mouse.move(400, 300)
    for control in ("play-button", "time-range", "time-display", "fullscreen-button"):
        second.page.locator(f"media-{control}").wait_for()
    picture(second.page, "replay")
    assert "from 1 viewer" in second.page.locator("#state").inner_text()
    assert serious(second.page) == []

    magnet = second.page.locator("#magnet").get_attribute("href") or ""
    assert magnet == replay["magnet"]
    fields = parse_qs(magnet.removeprefix("magnet:?"))
    assert fields["xs"] == [replay["torrent"]]
    infohash = fields["xt"][0].removeprefix("urn:btih:")
    # our tracker serves the torrent to whoever comes, without a token
    answer = second.page.evaluate(ANNOUNCE, infohash)
    assert answer.get("failure reason") is None
    assert answer["interval"] > 0

    swarms = info_hashes(swarm_id(replay["id"]))
    announced = [json.loads(frame) for frame in second.sent if "announce" in str(frame)]
    assert {m["info_hash"] for m in announced if m["peer_id"][:8] != "-XX0001-"} == swarms
    own = {urlsplit(url).netloc for url in (gateway, running.local["store"])}
    assert {urlsplit(url).netloc for url in second.requests + second.sockets} == own
    for viewer in (first, second):
        assert viewer.errors() == []
    assert running.origin_video_bytes() == 0


def test_what_a_peer_has_changed_is_refused(running: Station, browser: Browser) -> None:
    [replay] = listed(running)
    url = f"{running.local['gateway']}/replay?id={replay['id']}"
    poisoner = Viewer(browser, url, hook="replay", script=POISONING_OTHERS)
    poisoner.wait("s.playing")
    viewer = Viewer(browser, url, hook="replay")
    viewer.wait("s.refused > 0", 60)
    viewer.wait("s.playing")
    assert viewer.stats()["p2p"] >= 0
    assert viewer.stats()["stalls"] == 0


def test_who_does_not_share_makes_no_connection(running: Station, browser: Browser) -> None:
    [replay] = listed(running)
    gateway = running.local["gateway"]
    other = Viewer(browser, f"{gateway}/replay?id={replay['id']}", hook="replay")
    other.wait("s.playing")
    alone = Viewer(browser, f"{gateway}/replay?id={replay['id']}&p2p=0", hook="replay")
    alone.wait("s.playing && s.http > 100_000")
    assert alone.stats()["peers"] == other.stats()["peers"] == 0
    assert alone.sockets == []
    gone = Viewer(browser, f"{gateway}/replay?id=another-1", width=390, height=844)
    gone.page.get_by_text("This replay is no longer there.").wait_for()
    picture(gone.page, "replay-phone-gone")
    phone = Viewer(
        browser, f"{gateway}/replay?id={replay['id']}", hook="replay", width=390, height=844
    )
    phone.wait("s.playing")
    phone.page.wait_for_timeout(1200)
    picture(phone.page, "replay-phone")


def test_the_offline_clip_is_no_part_of_it(running: Station) -> None:
    [replay] = listed(running)
    text = fetch(replay["playlist"]).decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    assert "offline" not in text

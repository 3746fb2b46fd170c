"""Replays in a browser: their list, playback, and sharing between viewers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.support.corrupt_peer import CORRUPT_PIECES
from tests.support.pages import COUNT_CONNECTIONS, VIOLATIONS
from tests.support.screenshots import screenshot, serious_violations
from tests.support.station import Station, fetch, rtmp_push, station, wait_for
from tests.support.viewers import Viewer, chromium

QUICK = ("--source", "rtmp", "--bitrate", "400", "--segment-seconds", "2")
STREAM_S = 50
"""long enough that most of it does not come from the store at start-up"""
ASSETS = Path(__file__).parents[2] / "services/shoal/site/static/assets"
SPEED = 3
"""rate of the RTMP push, times real time"""

ANNOUNCE = """async (infohash) => {
  const binary = String.fromCharCode(...infohash.match(/../g).map((byte) => parseInt(byte, 16)));
  const socket = new WebSocket(`ws://${location.host}/ws?no-token`);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const response = new Promise((resolve) => { socket.onmessage = resolve; });
  const peer = { info_hash: binary, peer_id: "-XX0001-000000000000" };
  const state = { numwant: 0, uploaded: 0, downloaded: 0, left: 1, event: "started", offers: [] };
  socket.send(JSON.stringify({ action: "announce", ...peer, ...state }));
  return JSON.parse((await response).data);
}"""


MAGNET_ALONE = """async ([library, magnet]) => {
  const { default: WebTorrent } = await import(library);
  const client = new WebTorrent({ tracker: false, dht: false, lsd: false });
  const torrent = await new Promise((resolve, reject) => {
    client.once("error", reject);
    client.add(magnet, (added) => added.once("done", () => resolve(added)));
  });
  const files = await Promise.all(torrent.files.map(async (file) => {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    return [file.name, Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")];
  }));
  client.destroy();
  return Object.fromEntries(files);
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


def test_two_viewers_share_a_replay(running: Station, browser: Browser) -> None:
    gateway = running.local["gateway"]
    [replay] = listed(running)
    assert replay["duration"] > STREAM_S - 10

    watch = Viewer(browser, gateway, width=1366, height=768)
    watch.page.get_by_text("The station is offline.").wait_for(timeout=20_000)
    screenshot(watch.page, "replay-offline")
    watch.page.get_by_role("link", name="Replays").click()
    watch.page.get_by_text("Past streams").wait_for()
    screenshot(watch.page, "replay-list")
    assert serious_violations(watch.page) == []
    watch.page.locator("#list a").click()
    first = watch
    first.hook = "replay"
    first.wait("s.playing")
    url = first.page.url
    second = Viewer(browser, url, hook="replay", width=1366, height=768, script=VIOLATIONS)
    second.wait("s.playing && s.peers === 1 && s.bytes.p2p > 0", 60)
    first.wait("s.uploaded > 0")

    stats = second.stats()
    assert stats["room"] == first.stats()["room"]
    assert stats["bytes"]["store"] > 0
    for viewer in (first, second):
        counted = viewer.stats()
        assert (counted["stalls"], counted["segments"]["bad_pieces"]) == (0, 0)
    second.page.wait_for_timeout(1500)  # the stats are displayed once a second
    second.page.mouse.move(400, 300)
    for control in ("play-button", "time-range", "time-display", "fullscreen-button"):
        second.page.locator(f"media-{control}").wait_for()
    screenshot(second.page, "replay")
    assert "from 1 viewer" in second.page.locator("#state").inner_text()
    assert serious_violations(second.page) == []

    magnet = second.page.locator("#magnet").get_attribute("href") or ""
    assert magnet == replay["magnet"]
    fields = parse_qs(magnet.removeprefix("magnet:?"))
    assert fields["xs"] == [replay["torrent"]]
    infohash = fields["xt"][0].removeprefix("urn:btih:")
    # our tracker serves the torrent without a token
    answer = second.page.evaluate(ANNOUNCE, infohash)
    assert answer.get("failure reason") is None
    assert answer["interval"] > 0

    own = {urlsplit(url).netloc for url in (gateway, running.local["store"])}
    assert {urlsplit(url).netloc for url in second.requests + second.sockets} == own
    assert second.page.evaluate("() => window.violations") == []
    for viewer in (first, second):
        assert viewer.errors() == []
    assert running.origin_video_bytes() == 0


def test_most_of_a_replay_comes_from_an_earlier_viewer(running: Station, browser: Browser) -> None:
    """Signaling counts these bytes, too."""
    [replay] = listed(running)
    before = replay_totals(running)["bytes"]["p2p"]
    url = f"{running.local['gateway']}/replay?id={replay['id']}"
    first = Viewer(browser, url, hook="replay")
    first.wait("s.playing && s.bytes.store > 400_000", 60)
    second = Viewer(browser, url, hook="replay")
    second.wait("s.playing && s.peers === 1", 60)
    second.page.wait_for_function(f"() => video.currentTime > {STREAM_S - 15}", timeout=60_000)
    counted = second.stats()["bytes"]
    # the first seconds are loaded before there is a link
    assert counted["p2p"] / (counted["p2p"] + counted["store"]) > 0.6, counted
    assert (first.stats()["stalls"], second.stats()["stalls"]) == (0, 0)
    then = before + counted["p2p"]
    wait_for("its stats in the totals", lambda: replay_totals(running)["bytes"]["p2p"] >= then, 20)
    assert replay_totals(running)["viewers"] == 2
    assert running.origin_video_bytes() == 0


def replay_totals(running: Station) -> dict[str, Any]:
    return json.loads(fetch(f"{running.local['signaling']}/stats"))["replays"]


def test_corrupt_pieces_of_a_replay_are_rejected(running: Station, browser: Browser) -> None:
    [replay] = listed(running)
    url = f"{running.local['gateway']}/replay?id={replay['id']}"
    corrupt = Viewer(browser, url, hook="replay", script=CORRUPT_PIECES)
    corrupt.wait("s.playing && s.bytes.store > 200_000")
    corrupt.page.evaluate("() => { window.corrupt = true; }")
    viewer = Viewer(browser, url, hook="replay")
    viewer.wait("s.segments.bad_pieces > 0 && s.peers === 0", 60)
    viewer.wait("s.playing")
    assert viewer.stats()["bytes"]["p2p"] == 0
    assert viewer.stats()["stalls"] == 0


def test_a_magnet_link_is_enough_to_download_a_replay(running: Station, browser: Browser) -> None:
    """WebTorrent gets the metainfo from `xs` and the bytes from the web seed, without a peer."""
    [replay] = listed(running)
    page = Viewer(browser, f"{running.local['gateway']}/replay", hook="replay").page
    [library] = ASSETS.glob("webtorrent*.js")
    got = page.evaluate(MAGNET_ALONE, [f"/assets/{library.name}", replay["magnet"]])
    listing = fetch(replay["hashes"].replace("/segments.json", "/0/segments.json"))
    published = {one["name"]: one["sha256"] for one in json.loads(listing)["segments"]}
    assert published.items() <= got.items()


def test_without_sharing_no_connection_is_made(running: Station, browser: Browser) -> None:
    [replay] = listed(running)
    gateway = running.local["gateway"]
    other = Viewer(browser, f"{gateway}/replay?id={replay['id']}", hook="replay")
    other.wait("s.playing")
    url = f"{gateway}/replay?id={replay['id']}&p2p=0"
    alone = Viewer(browser, url, hook="replay", script=COUNT_CONNECTIONS)
    alone.wait("s.playing && s.bytes.store > 100_000")
    alone.page.wait_for_timeout(2_000)
    assert alone.page.evaluate("() => made") == 0
    assert alone.stats()["peers"] == other.stats()["peers"] == 0
    gone = Viewer(browser, f"{gateway}/replay?id=another-1", width=390, height=844)
    gone.page.get_by_text("This replay is no longer available.").wait_for()
    screenshot(gone.page, "replay-phone-gone")
    phone = Viewer(
        browser, f"{gateway}/replay?id={replay['id']}", hook="replay", width=390, height=844
    )
    phone.wait("s.playing")
    phone.page.wait_for_timeout(1200)
    screenshot(phone.page, "replay-phone")


def test_the_offline_clip_is_not_in_the_replay(running: Station) -> None:
    [replay] = listed(running)
    text = fetch(replay["playlist"]).decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    assert "offline" not in text

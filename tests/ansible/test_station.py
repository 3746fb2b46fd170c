"""The station works on the host: RTMP in, playlist out, two browsers share segments."""

import http.client
import json
import urllib.error
from contextlib import closing, suppress

import m3u8
from prometheus_client.parser import text_string_to_metric_families

from tests.ansible.conftest import ADDRESS, EDGE_PORT, STREAM_KEY, poster
from tests.ansible.host import Host
from tests.support.objects import Store
from tests.support.station import fetch, rtmp_push, wait_for
from tests.support.viewers import Viewer, chromium, received, settled

EDGE = f"http://127.0.0.1:{EDGE_PORT}"
PUSH = f"rtmp://{ADDRESS}/live"


def playlist() -> m3u8.M3U8 | None:
    with suppress(urllib.error.HTTPError):
        return m3u8.loads(fetch(f"{EDGE}/live/playlist.m3u8").decode())
    return None


def video_bytes(origin: Host) -> float:
    """Return the bytes of video that the host's services sent, by their own counters."""
    total = 0.0
    for port in (3000, 8081, 20241):
        for family in text_string_to_metric_families(
            origin.get(f"http://localhost:{port}/metrics")
        ):
            for sample in family.samples:
                if sample.name == "shoal_http_response_bytes_total":
                    total += sample.value if sample.labels["kind"] == "video" else 0
    return total


def status_of(path: str) -> tuple[int, str]:
    """Return status and Location of a public response; redirects are not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", EDGE_PORT, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers.get("Location", "")


def test_viewers_see_and_share_a_stream(origin: Host, store: Store) -> None:
    with rtmp_push(f"{PUSH}/{STREAM_KEY}"):
        wait_for("a playlist", lambda: (now := playlist()) and len(now.segments) >= 3, 60)
        named = playlist()
        assert named is not None
        urls = [segment.uri or "" for segment in named.segments]
        assert all(url.startswith(f"{store.media_url}/live/0/stream-") for url in urls)
        name = urls[-1].rpartition("/")[2]
        assert status_of(f"/live/0/{name}") == (302, urls[-1])
        assert status_of("/hls/stream.m3u8")[0] == 403
        assert status_of("/admin/")[0] == 403

        with chromium() as browser:
            viewers = [Viewer(browser, f"{EDGE}/") for _ in range(2)]
            for viewer in viewers:
                viewer.wait("s.ready && s.peers === 1 && s.playing", 60)
            before = settled(viewers, 60)
            for viewer, then in zip(viewers, before, strict=True):
                viewer.wait(f"s.segments.complete >= {then['segments']['complete'] + 6}", 60)
            after = settled(viewers, 60)
            health = json.loads(origin.get("http://localhost:3000/health"))
            assert health["room_peers"] == 2
            assert health["problems"] == []
            total = {"p2p": 0, "store": 0, "seed": 0}
            for one, two in zip(before, after, strict=True):
                for source, count in received(one, two).items():
                    total[source] += count
            # each segment was fetched from the store once for both
            assert total["p2p"] / sum(total.values()) >= 0.4, total
            for viewer, two in zip(viewers, after, strict=True):
                assert viewer.errors() == []
                assert two["segments"]["bad_pieces"] == 0
                video = [url for url in viewer.requests if ".ts" in url]
                assert all(url.startswith(store.media_url) for url in video)
        assert video_bytes(origin) == 0


def test_streaming_needs_a_stream_key(origin: Host) -> None:
    with rtmp_push(f"{PUSH}/abc123") as push:
        assert push.wait(30) != 0
    log = origin.run("journalctl --unit owncast --output cat | tail -20")
    assert "an unknown stream key was refused" in log


def test_the_page_has_the_operators_title(origin: Host) -> None:
    config = json.loads(fetch(f"{EDGE}/config.json"))
    assert config["title"] == origin.variables["shoal_station_title"]
    assert config["consent"] == "notice"
    assert fetch(f"{EDGE}{config['poster']}") == poster(origin.folder).read_bytes()

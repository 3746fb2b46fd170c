"""The real broadcaster between an HLS folder and a real S3 store."""

import base64
import gzip
import hashlib
import json
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

import brotli
import pytest

from shoal.local.store import Store
from tests.support.broadcaster import Owncast, broadcaster, get
from tests.support.objects import new_store, running
from tests.support.station import wait_for


def test_a_segment_is_stored_then_published_and_redirected_to(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        offline = get(f"{station.url}/live/playlist.m3u8")
        assert (offline.status, offline.headers["Cache-Control"]) == (404, "no-store")
        assert offline.headers["X-Shoal"] == "broadcaster"
        assert offline.json["error"]["code"] == "offline"

        name = owncast.write("one", 0)
        station.wait_published(name)
        written = (owncast.path / "0" / name).read_bytes()

        [segment] = station.playlist().segments
        assert segment.uri == f"{store.media_url}/live/0/{name}"
        stored = get(segment.uri or "")
        assert stored.body == written
        assert stored.headers["Content-Type"] == "video/mp2t"
        assert stored.headers["Cache-Control"] == "public, max-age=31536000, immutable"

        for path in (f"/live/0/{name}", f"/live/{name}"):
            redirect = get(station.url + path)
            assert (redirect.status, redirect.headers["Location"]) == (302, segment.uri)
            assert redirect.body == b""
        unknown = get(f"{station.url}/live/0/stream-one-1.ts")
        assert (unknown.status, unknown.headers["Cache-Control"]) == (404, "no-store")

        body = get(f"{station.url}/live/segments.json").json
        assert body["stream"] == "one"
        [descriptor] = body["variants"]["0"]["segments"]
        assert descriptor["sha256"] == hashlib.sha256(written).hexdigest()
        size = descriptor["piece_size"]
        pieces = [written[at : at + size] for at in range(0, len(written), size)]
        hashes = [base64.b64encode(hashlib.sha256(piece).digest()).decode() for piece in pieces]
        assert descriptor["pieces"] == hashes
        assert get(f"{station.url}/live/0/segments.json?after=0").json["variants"] == {
            "0": {"segments": []}
        }
        assert get(f"{station.url}/live/0/segments.json?after=x").status == 400

        health = station.health()
        assert health["chunks"] == 1
        assert health["store"] == "ok"
        # signaling does not run
        wait_for("signaling is missing", lambda: station.problem("signaling"))
        assert station.health()["status"] == "degraded"


def test_a_playlist_is_compressed_and_revalidated(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        station.wait_published(owncast.write("two", 0))
        url = f"{station.url}/live/playlist.m3u8"
        plain = get(url)
        assert plain.headers["Content-Type"] == "application/vnd.apple.mpegurl"
        assert plain.headers["Cache-Control"] == "public, max-age=1"
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as response:
            assert gzip.decompress(response.read()) == plain.body
        same = get(url, If_None_Match=plain.headers["ETag"])
        assert (same.status, same.body) == (304, b"")
        head = get(url, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(plain.body))
        station.wait_published(owncast.write("two", 1))
        assert get(url, If_None_Match=plain.headers["ETag"]).status == 200


def test_sequences_continue_across_restarts_and_streams(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        for index in range(3):
            station.wait_published(owncast.write("three", index))
        first = station.playlist().media_sequence
        station.process.kill()
        station.process.wait()
    owncast.write("three", 3)
    with broadcaster(tmp_path, store) as station:
        station.wait_published("stream-three-3.ts")
        owncast.start_stream()
        station.wait_published(owncast.write("four", 0))
        playlist = station.playlist()
        assert playlist.media_sequence == first
        assert [(s.uri or "").rpartition("/")[2] for s in playlist.segments] == [
            *(f"stream-three-{index}.ts" for index in range(4)),
            "stream-four-0.ts",
        ]
        assert [s.discontinuity for s in playlist.segments][1:] == [False] * 3 + [True]


def test_a_replaced_host_continues_above_the_old_one(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        station.wait_published(owncast.write("old", 0))
        before = station.playlist()
    shutil.rmtree(tmp_path / "state")
    with broadcaster(tmp_path, store) as station:
        owncast.start_stream()
        station.wait_published(owncast.write("new", 0))
        after = station.playlist()
    assert (after.media_sequence or 0) > (before.media_sequence or 0)
    assert (after.discontinuity_sequence or 0) > (before.discontinuity_sequence or 0)


def test_what_the_store_cannot_accept_is_published_in_order_when_it_recovers(
    tmp_path: Path, owncast: Owncast
) -> None:
    store = new_store(tmp_path)
    with broadcaster(tmp_path, store) as station:
        names = [owncast.write("five", index) for index in range(3)]
        message = wait_for("the store is missing", lambda: station.problem("store"), 20)
        assert store.endpoint in message
        assert station.health()["status"] == "failing"
        assert get(f"{station.url}/health").status == 503
        assert station.names() == []
        with running(store):
            station.wait_published(names[-1], timeout_s=30)
            assert station.names() == names
            wait_for("recovered", lambda: station.problem("store") is None)


def test_a_damaged_state_is_reported_in_one_line(tmp_path: Path, store: Store) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "timeline.json").write_text('{"renditions": 3')
    with (
        pytest.raises(AssertionError, match="damaged") as caught,
        broadcaster(tmp_path, store),
    ):
        pass
    assert "Traceback" not in str(caught.value)


def test_playlists_use_the_best_coding(tmp_path: Path, store: Store, owncast: Owncast) -> None:
    with broadcaster(tmp_path, store) as station:
        station.wait_published(owncast.write("six", 0))
        url = f"{station.url}/live/playlist.m3u8"
        plain = get(url)
        compressed = get(url, Accept_Encoding="gzip, br, zstd")
        assert compressed.headers["Content-Encoding"] == "br"
        assert brotli.decompress(compressed.body) == plain.body
        assert "Content-Encoding" not in get(url, Accept_Encoding="br;q=0, deflate").headers
        response = get(url, Range="bytes=0-3")
        assert (response.status, response.body) == (200, plain.body)
        assert plain.headers["Accept-Ranges"] == "none"


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ([], None),
        (["https://a.example"], "https://a.example"),
        (["https://a.example", "https://b.example"], "*"),
    ],
)
def test_pages_that_embed_the_player_may_read_what_is_public(
    tmp_path: Path, store: Store, owncast: Owncast, origins: list[str], allowed: str | None
) -> None:
    settings = {"SHOAL_EMBED_ORIGINS": json.dumps(origins)}
    with broadcaster(tmp_path, store, settings) as station:

        def allows(path: str, **headers: str) -> str | None:
            answer = get(station.url + path, Origin="https://b.example", **headers)
            return answer.headers["Access-Control-Allow-Origin"]

        assert allows("/live/playlist.m3u8") == allowed  # 404: offline
        name = owncast.write("cors", 0)
        station.wait_published(name)
        assert allows("/live/playlist.m3u8") == allowed
        assert allows("/live/playlist.m3u8", If_None_Match="*") == allowed
        assert allows("/live/0/segments.json") == allowed
        assert allows(f"/live/{name}") == allowed  # 302
        assert allows("/health") is None


def test_requests_cannot_fill_the_response_cache(
    tmp_path: Path, store: Store, owncast: Owncast
) -> None:
    with broadcaster(tmp_path, store) as station:
        station.wait_published(owncast.write("seven", 0))
        url = f"{station.url}/live/0/segments.json?after="
        for bad in ("-1", "", "1e3", "9" * 5000, "٣"):
            assert get(url + urllib.parse.quote(bad)).status == 400
        assert get(f"{station.url}/live/7/segments.json?after=1").status == 404
        answers = {get(f"{url}{after}").headers["ETag"] for after in range(0, 10**18, 10**16)}
        assert len(answers) <= 2

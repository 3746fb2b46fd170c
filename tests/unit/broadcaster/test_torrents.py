"""Torrents as bytes and magnets, who is counted as served, and the upload budget."""

import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.seeding.budget import BURST_S, UploadBudget
from shoal.broadcaster.seeding.upload_log import PEER_LINGERS_S, Served
from shoal.broadcaster.torrents import Torrent, make_torrent, tracker_of
from shoal.segments import piece_size_for

TRACKER = "wss://tv.example/ws"
WEB_SEED = "https://media.tv.example/live/0/stream-abc-7.ts"


def bdecode(data: bytes) -> Any:
    """An independent reader of BEP 3's encoding."""

    def read(at: int) -> tuple[Any, int]:
        kind = data[at : at + 1]
        if kind == b"i":
            end = data.index(b"e", at)
            return int(data[at + 1 : end]), end + 1
        if kind in (b"l", b"d"):
            items: list[Any] = []
            at += 1
            while data[at : at + 1] != b"e":
                item, at = read(at)
                items.append(item)
            if kind == b"l":
                return items, at + 1
            keys = items[::2]
            assert keys == sorted(keys)
            return dict(zip(keys, items[1::2], strict=True)), at + 1
        colon = data.index(b":", at)
        size = int(data[at:colon])
        return data[colon + 1 : colon + 1 + size], colon + 1 + size

    value, end = read(0)
    assert end == len(data)
    return value


def torrent(data: bytes, **options: str) -> Torrent:
    return make_torrent(
        data, name="stream-abc-7.ts", tracker_url=TRACKER, web_seed=WEB_SEED, **options
    )


@given(st.binary(min_size=1, max_size=300), st.integers(1, 4000))
def test_the_metainfo_is_what_bep_3_asks_for(seed: bytes, repeat: int) -> None:
    data = seed * repeat
    made = torrent(data)
    metainfo = bdecode(made.metainfo)
    info = metainfo[b"info"]
    piece = info[b"piece length"]
    assert piece == made.piece_bytes == piece_size_for(len(data))
    assert info == {
        b"length": len(data),
        b"name": b"stream-abc-7.ts",
        b"piece length": piece,
        b"pieces": b"".join(
            hashlib.sha1(data[start : start + piece]).digest()
            for start in range(0, len(data), piece)
        ),
    }
    assert metainfo[b"announce"] == TRACKER.encode()
    assert metainfo[b"url-list"] == WEB_SEED.encode()
    raw = made.metainfo
    start = raw.index(b"4:info") + len(b"4:info")
    end = raw.index(b"8:url-list")
    assert made.infohash == hashlib.sha1(raw[start:end]).hexdigest()
    assert (made.name, made.size) == ("stream-abc-7.ts", len(data))


def test_the_magnet_names_hash_tracker_and_store_and_an_address_only_when_there_is_one() -> None:
    made = torrent(b"x" * 100_000)
    fields = parse_qs(urlsplit(made.magnet).query)
    assert made.magnet.startswith("magnet:?xt=urn:btih:")
    assert fields == {
        "xt": [f"urn:btih:{made.infohash}"],
        "dn": ["stream-abc-7.ts"],
        "tr": [TRACKER],
        "ws": [WEB_SEED],
    }
    listening = torrent(b"x" * 100_000, peer_address="203.0.113.7:6881")
    assert listening.magnet == f"{made.magnet}&x.pe=203.0.113.7:6881"
    assert listening.infohash == made.infohash


def test_the_same_segment_makes_the_same_torrent_at_any_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = torrent(b"y" * 100_000)
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert torrent(b"y" * 100_000) == first
    assert b"creation date" not in first.metainfo


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="stream-abc-7"):
        torrent(b"")


def test_the_tracker_is_beside_signaling() -> None:
    assert tracker_of("http://localhost:8081") == "ws://localhost:8081/ws"
    assert tracker_of("https://tv.example") == "wss://tv.example/ws"


def test_a_new_peer_is_told_once_and_counts_until_it_has_taken_nothing_for_a_while() -> None:
    served = Served()
    assert served.took(b"a", "stream-abc-1.ts", 100_000, 0.0) == (
        "👥 New peer connected to stream-abc-1.ts (total: 1)"
    )
    assert served.took(b"b", "stream-abc-1.ts", 134_500, 1.0) == (
        "👥 New peer connected to stream-abc-1.ts (total: 2)"
    )
    assert served.took(b"a", "stream-abc-2.ts", 0, 10.0) is None
    assert served.peers(10.0) == 2
    assert served.peers(1.5 + PEER_LINGERS_S) == 1
    assert served.peers(10.5 + PEER_LINGERS_S) == 0
    assert served.line() == "⬆️ Uploaded 234.5 KB via P2P to 2 peers"
    assert served.line() is None
    assert served.uploaded_bytes == 234_500


@given(st.lists(st.tuples(st.integers(0, 100_000), st.floats(0.01, 1.0))))
def test_what_is_taken_while_unlimited_stays_within_a_burst_and_the_budget(
    uploads: list[tuple[int, float]],
) -> None:
    rate = 50_000.0
    budget = UploadBudget(rate, 0.0)
    now_s, taken = 0.0, 0
    for wanted, pause_s in uploads:
        now_s += pause_s
        # libtorrent keeps to the rate while it is limited
        size = min(wanted, int(rate * pause_s)) if budget.limited else wanted
        taken += size
        budget.take(size, now_s)
        assert taken <= rate * (now_s + BURST_S) + 100_000
    budget.take(0, now_s + 10 * BURST_S)
    assert not budget.limited

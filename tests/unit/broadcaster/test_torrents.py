"""The bytes of torrents, and magnets."""

import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.torrents import Torrent, make_torrent, tracker_of
from shoal.segments import piece_size_for

TRACKER = "wss://tv.example/ws"
WEB_SEED = "https://media.tv.example/live/0/stream-abc-7.ts"


def bdecode(data: bytes) -> Any:
    """An independent reader of BEP 3's encoding."""

    def read(offset: int) -> tuple[Any, int]:
        kind = data[offset : offset + 1]
        if kind == b"i":
            end = data.index(b"e", offset)
            return int(data[offset + 1 : end]), end + 1
        if kind in (b"l", b"d"):
            items: list[Any] = []
            offset += 1
            while data[offset : offset + 1] != b"e":
                item, offset = read(offset)
                items.append(item)
            if kind == b"l":
                return items, offset + 1
            keys = items[::2]
            assert keys == sorted(keys)
            return dict(zip(keys, items[1::2], strict=True)), offset + 1
        colon = data.index(b":", offset)
        size = int(data[offset:colon])
        return data[colon + 1 : colon + 1 + size], colon + 1 + size

    value, end = read(0)
    assert end == len(data)
    return value


def torrent(data: bytes, **options: str) -> Torrent:
    return make_torrent(
        data, name="stream-abc-7.ts", tracker_url=TRACKER, web_seed=WEB_SEED, **options
    )


@given(st.binary(min_size=1, max_size=300), st.integers(1, 4000))
def test_the_metainfo_is_as_in_bep_3(seed: bytes, repeat: int) -> None:
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


def test_a_magnet_has_infohash_tracker_and_store_and_an_address_only_if_there_is_one() -> None:
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


def test_an_empty_segment_is_rejected() -> None:
    with pytest.raises(ValueError, match="stream-abc-7"):
        torrent(b"")


def test_the_tracker_is_beside_signaling() -> None:
    assert tracker_of("http://localhost:8081") == "ws://localhost:8081/ws"
    assert tracker_of("https://tv.example") == "wss://tv.example/ws"

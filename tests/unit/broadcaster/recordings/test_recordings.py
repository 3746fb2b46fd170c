"""The rules for a replay's segments, playlists, torrent and deletion."""

import hashlib
from urllib.parse import parse_qs

import libtorrent as lt
import m3u8
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.recordings.catalogue import Replay, public_list, select_outdated
from shoal.broadcaster.recordings.segments import (
    RecordedSegment,
    align,
    hash_list,
    media_playlist,
    multivariant_playlist,
    start_time,
    total_duration,
)
from shoal.broadcaster.torrents import (
    MAX_REPLAY_PIECE_BYTES,
    MAX_REPLAY_PIECES,
    MIN_REPLAY_PIECE_BYTES,
    ReplayTorrentBuilder,
    replay_piece_bytes,
)

DAY_S = 86_400.0


def segment(
    sequence: int, variant: int = 0, *, new: bool = False, size: int = 500_000
) -> RecordedSegment:
    return RecordedSegment(
        variant=variant,
        sequence=sequence,
        duration=4.0,
        discontinuity=new,
        name=f"stream-a-{sequence}.ts",
        size=size,
        sha256="ab" * 32,
        program_date_time=f"2026-11-22T09:03:{sequence % 60:02d}.000+00:00",
    )


def gap(sequence: int, variant: int = 0, *, new: bool = False) -> RecordedSegment:
    return RecordedSegment(variant=variant, sequence=sequence, duration=4.0, discontinuity=new)


def test_a_replays_playlist_is_complete_and_ended() -> None:
    text = media_playlist([segment(7), segment(8), segment(9, new=True), gap(10), segment(11)])
    playlist = m3u8.loads(text)
    assert (playlist.playlist_type, playlist.is_endlist) == ("vod", True)
    assert playlist.media_sequence == 7
    assert playlist.target_duration == 4
    assert [s.uri for s in playlist.segments] == [
        *(f"stream-a-{index}.ts" for index in (7, 8, 9)),
        "gap-10.ts",
        "stream-a-11.ts",
    ]
    assert [s.discontinuity for s in playlist.segments] == [False, False, True, False, False]
    assert [bool(s.gap_tag) for s in playlist.segments] == [False, False, False, True, False]
    assert str(playlist.segments[0].program_date_time) == "2026-11-22 09:03:07+00:00"
    assert "#EXT-X-VERSION:8\n" in text  # because of EXT-X-GAP


def test_the_first_segment_never_has_a_discontinuity() -> None:
    assert "DISCONTINUITY" not in media_playlist([segment(7, new=True), segment(8)])


def test_each_new_init_section_is_named_once() -> None:
    one, two = (msgspec.structs.replace(segment(n), init_name="a-init.mp4") for n in (1, 2))
    three = msgspec.structs.replace(segment(3, new=True), init_name="b-init.mp4")
    text = media_playlist([one, two, three])
    assert [line for line in text.splitlines() if "MAP" in line] == [
        '#EXT-X-MAP:URI="a-init.mp4"',
        '#EXT-X-MAP:URI="b-init.mp4"',
    ]


def test_variants_have_owncasts_attributes_or_measured_bandwidth() -> None:
    variants = {0: [segment(1)], 1: [gap(1, 1), segment(2, 1)]}
    playlist = m3u8.loads(multivariant_playlist(variants, {1: 'BANDWIDTH=300,CODECS="x"'}))
    assert [(p.uri, p.stream_info.bandwidth) for p in playlist.playlists] == [
        ("0/playlist.m3u8", 1_000_000),
        ("1/playlist.m3u8", 300),
    ]


def test_the_hash_list_leaves_out_gaps() -> None:
    listed = msgspec.json.decode(hash_list([segment(1), gap(2), segment(3)]))["segments"]
    assert [item["name"] for item in listed] == ["stream-a-1.ts", "stream-a-3.ts"]
    assert listed[0] == {
        **{"name": "stream-a-1.ts", "sequence": 1, "size": 500_000, "duration": 4.0},
        "sha256": "ab" * 32,
    }


def test_what_a_variant_lacks_is_a_gap_and_what_all_lack_at_either_end_is_left_out() -> None:
    variants = align(
        {
            0: [gap(1), segment(2), gap(3, new=True), segment(4), gap(5)],
            1: [segment(3, 1, new=True), gap(4, 1)],
            2: [gap(2, 2), gap(3, 2)],
        }
    )
    assert {
        variant: [(s.sequence, s.name is not None, s.discontinuity) for s in segments]
        for variant, segments in variants.items()
    } == {
        0: [(2, True, False), (3, False, True), (4, True, False)],
        1: [(2, False, False), (3, True, True), (4, False, False)],
    }
    assert all(s.variant == v for v, segments in variants.items() for s in segments)
    assert start_time(variants) == "2026-11-22T09:03:02+00:00"
    assert total_duration(variants) == 12.0
    assert align({0: [gap(1)]}) == {}


PLACES = st.dictionaries(st.integers(0, 40), st.booleans(), max_size=41)


@given(st.dictionaries(st.integers(0, 3), PLACES, max_size=4))
def test_whatever_was_lost_variants_are_aligned(places: dict[int, dict[int, bool]]) -> None:
    recorded = {
        variant: [
            segment(n, variant) if there else gap(n, variant) for n, there in sorted(own.items())
        ]
        for variant, own in places.items()
    }
    variants = align(recorded)
    spans = {tuple(s.sequence for s in segments) for segments in variants.values()}
    assert len(spans) <= 1
    kept = {(s.variant, s.name) for segments in variants.values() for s in segments if s.name}
    assert kept == {(s.variant, s.name) for own in recorded.values() for s in own if s.name}
    for segments in variants.values():
        playlist = m3u8.loads(media_playlist(segments))
        assert len(playlist.segments) == len(segments)
        assert playlist.is_endlist


def replay(name: str, ended_at: float, size: int = 1_000) -> Replay:
    return Replay(
        id=name,
        begun="2026-11-22T09:03:02+00:00",
        ended_at=ended_at,
        duration=8.0,
        size=size,
        variants=(0,),
    )


def test_too_old_replays_are_outdated_then_the_oldest_until_the_rest_fits() -> None:
    kept = [replay(str(day), day * DAY_S) for day in (3, 1, 2, 4)]
    now = 4 * DAY_S

    def gone(max_days: float, max_bytes: int, recording: int = 0) -> list[str]:
        found = select_outdated(kept, recording, now, max_days * DAY_S, max_bytes)
        return [item.id for item in found]

    assert gone(30, 4_000) == []
    assert gone(2, 4_000) == ["1"]
    assert gone(30, 2_500) == ["1", "2"]
    assert gone(30, 4_000, recording=1) == ["1"]
    assert gone(30, 4_000, recording=10_000) == ["1", "2", "3", "4"]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=12),
    *(st.integers(0, 60), st.integers(1, 100), st.integers(1, 200)),
)
def test_retention_keeps_as_much_as_allowed(
    ages: list[tuple[int, int]], recording: int, max_age: int, max_bytes: int
) -> None:
    replays = [replay(str(n), 100.0 - age, size) for n, (age, size) in enumerate(ages)]
    gone = select_outdated(replays, recording, 100.0, max_age, max_bytes)
    left = [item for item in replays if item not in gone]
    assert all(100.0 - item.ended_at <= max_age for item in left)
    assert not left or recording + sum(item.size for item in left) <= max_bytes
    assert all(item.ended_at >= other.ended_at for item in left for other in gone)
    if gone:  # the last one was necessary
        last = gone[-1]
        size = recording + sum(item.size for item in left) + last.size
        assert 100.0 - last.ended_at > max_age or size > max_bytes


def test_the_public_list_has_the_urls_of_everything() -> None:
    old, new = replay("a-0", 1.0), replay("b-9", 2.0)
    several = msgspec.structs.replace(new, variants=(0, 1), infohash="0f" * 20)
    listed = public_list([old, several], "https://media.test", "wss://tv.test/ws").replays
    assert [item.id for item in listed] == ["b-9", "a-0"]
    assert listed[0].playlist == "https://media.test/vod/b-9/playlist.m3u8"
    assert listed[1].playlist == "https://media.test/vod/a-0/0/playlist.m3u8"
    assert listed[0].hashes == "https://media.test/vod/b-9/segments.json"
    assert listed[0].torrent == "https://media.test/vod/b-9/b-9.torrent"
    assert (listed[1].torrent, listed[1].magnet) == (None, None)
    assert parse_qs((listed[0].magnet or "").removeprefix("magnet:?")) == {
        "xt": [f"urn:btih:{'0f' * 20}"],
        "dn": ["b-9"],
        "tr": ["wss://tv.test/ws"],
        "ws": ["https://media.test/vod/"],
        "xs": ["https://media.test/vod/b-9/b-9.torrent"],
    }


@given(st.lists(st.binary(max_size=MIN_REPLAY_PIECE_BYTES // 2 + 7), min_size=1, max_size=8))
def test_pieces_span_file_boundaries(contents: list[bytes]) -> None:
    contents = [*contents, b"x" * (MIN_REPLAY_PIECE_BYTES + 3)]
    builder = ReplayTorrentBuilder(MIN_REPLAY_PIECE_BYTES)
    for number, data in enumerate(contents):
        builder.add(f"0/{number}.ts", data)
    torrent = builder.build("r", tracker_url="wss://tv.test/ws", web_seed="https://m.test/vod/")
    metainfo = lt.bdecode(torrent.metainfo)
    info = metainfo[b"info"]
    whole = b"".join(contents)
    pieces = [
        whole[at : at + MIN_REPLAY_PIECE_BYTES]
        for at in range(0, len(whole), MIN_REPLAY_PIECE_BYTES)
    ]
    assert info[b"pieces"] == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    assert info[b"name"] == b"r"
    assert [file[b"length"] for file in info[b"files"]] == [len(data) for data in contents]
    assert metainfo[b"url-list"] == b"https://m.test/vod/"
    assert metainfo[b"announce"] == b"wss://tv.test/ws"
    assert str(lt.load_torrent_buffer(torrent.metainfo).info_hashes.v1) == torrent.infohash


def test_a_torrent_of_nothing_is_rejected() -> None:
    with pytest.raises(ValueError, match="empty"):
        ReplayTorrentBuilder(MIN_REPLAY_PIECE_BYTES).build(
            "r", tracker_url="ws://t/ws", web_seed="http://m/vod/"
        )


@given(st.integers(0, 2**40))
def test_pieces_grow_with_the_replay_up_to_a_limit(size: int) -> None:
    piece = replay_piece_bytes(size)
    assert piece & (piece - 1) == 0
    assert MIN_REPLAY_PIECE_BYTES <= piece <= MAX_REPLAY_PIECE_BYTES
    assert piece * MAX_REPLAY_PIECES >= size or piece == MAX_REPLAY_PIECE_BYTES

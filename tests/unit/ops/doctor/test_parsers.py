"""What the doctor parses: playlists, frames, kernel tables, environments, STUN addresses."""

import itertools
import os
from pathlib import Path

import pytest

from shoal.ops.doctor import host_discovery
from shoal.ops.doctor.frames import PieceAssembler, encode_piece, encode_request
from shoal.ops.doctor.host_checks import User, find_unreadable, parse_user
from shoal.ops.doctor.host_discovery import find_host
from shoal.ops.doctor.owncast import listening_addresses
from shoal.ops.doctor.playlists import first_variant, parse
from shoal.ops.doctor.stun import address_of

URL = "https://tv.example.org/live/playlist.m3u8"
NOBODY = User(65534, 65534, ())
PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:5
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-GAP
#EXTINF:5.0,
gap-7.ts
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:40+00:00
#EXTINF:5.0,
https://media.example.org/live/0/stream-a-8.ts
#EXTINF:4.5,
0/stream-a-9.ts
"""
TCP = """  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000
   3: 0A00000A:1F90 0B00000A:D431 01 00000000:00000000 00:00000000
   4: 00000000000000000000000001000000:1F90 0000:0000 0A 00000000:00000000
"""


def test_a_playlist_is_parsed_with_its_gaps_and_its_clock() -> None:
    found = parse(PLAYLIST, URL)
    assert found.urls == (
        "https://media.example.org/live/0/stream-a-8.ts",
        "https://tv.example.org/live/0/stream-a-9.ts",
    )
    assert (found.entries, found.sequence, found.next_sequence) == (3, 7, 10)
    assert found.newest_end == 100 + 5 + 4.5
    assert not found.ended
    assert parse(PLAYLIST + "#EXT-X-ENDLIST\n", URL).ended


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not a playlist"):
        parse("<html>", URL)


def test_the_first_of_several_variants_is_found() -> None:
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n0/playlist.m3u8\n"
    assert first_variant(text, URL) == "https://tv.example.org/live/0/playlist.m3u8"
    assert first_variant(PLAYLIST, URL) is None


@pytest.mark.parametrize("size", [1, 16_384, 32 * 1024, 32 * 1024 + 1, 200_000])
def test_a_piece_is_reassembled_from_frames_in_any_order(size: int) -> None:
    piece = os.urandom(size)
    frames = list(encode_piece(0, 5, 3, piece))
    assert all(len(frame) <= 16 + 32 * 1024 for frame in frames)
    for order in itertools.islice(itertools.permutations(frames), 6):
        assembler = PieceAssembler(0, 5, 3)
        *first, last = order
        assert [assembler.add(frame) for frame in first] == [None] * len(first)
        assert assembler.add(last) == piece


def test_frames_of_other_pieces_are_ignored() -> None:
    assembler = PieceAssembler(0, 5, 3)
    for frame in (b"", b"short", encode_request(0, 5, 3), *encode_piece(0, 5, 4, b"other")):
        assert assembler.add(frame) is None


def test_frames_have_the_bytes_of_the_protocol() -> None:
    assert encode_request(1, 2, 3).hex() == "03010003" + "00000002" + "00000000" * 2
    [frame] = encode_piece(1, 2, 3, b"ab")
    assert frame.hex() == "01010003" + "00000002" + "00000000" + "00000002" + "6162"


def test_listening_addresses_are_parsed_from_the_kernels_table() -> None:
    assert listening_addresses(TCP, 8080) == ["0.0.0.0", "127.0.0.1", "::1"]
    assert listening_addresses(TCP, 81) == []


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("stun:stun.example.org:3479", ("stun.example.org", 3479)),
        ("stun:stun.example.org", ("stun.example.org", 3478)),
        ("stun:[2001:db8::1]:5", ("2001:db8::1", 5)),
        ("turn:turn.example.org", None),
    ],
)
def test_stun_urls_have_a_host_and_a_port(url: str, address: tuple[str, int] | None) -> None:
    assert address_of(url) == address


def test_the_parse_user_a_process_is_the_effective_one() -> None:
    status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n"
    assert parse_user(status) == User(2, 6, (9, 10))


async def test_a_folder_is_read_as_its_reader(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "needs root, to become another user"
    folder = Path("/tmp") / f"shoal-doctor-{os.getpid()}"  # tmp_path lies in a closed folder
    inner = folder / "0"
    inner.mkdir(parents=True)
    segment = inner / "stream-a-0.ts"
    segment.write_bytes(b"G")
    try:
        for path, mode in ((folder, 0o755), (inner, 0o755), (segment, 0o644)):
            path.chmod(mode)
        assert await find_unreadable(folder, NOBODY) is None
        for path, mode in ((segment, 0o600), (inner, 0o700), (folder, 0o700)):
            path.chmod(mode)
            assert await find_unreadable(folder, NOBODY) == f"{path}: Permission denied"
        folder.chmod(0o750)
        os.chown(folder, -1, 65533)
        os.chown(inner, -1, 65533)
        inner.chmod(0o750)
        segment.chmod(0o644)
        assert await find_unreadable(folder, User(65534, 65534, (65533,))) is None
    finally:
        segment.unlink()
        inner.rmdir()
        folder.rmdir()


def test_a_deployed_host_is_found_by_its_broadcasters_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "broadcaster.env"
    environment.write_text(
        "# managed\n"
        'SHOAL_TRACKER_URL="wss://tv.example.org/ws"\n'
        'SHOAL_HLS_DIR="/run/hls"\n'
        'SHOAL_OWNCAST_URL="http://localhost:8090"\n'
    )
    monkeypatch.setattr(host_discovery, "DEPLOYED", environment)
    for named in (None, "https://tv.example.org"):
        found = find_host(named, tmp_path / "none")
        assert found is not None
        assert found.url == "https://tv.example.org"
        assert found.owncast == "http://localhost:8090"
        assert found.broadcaster == "http://localhost:3000"
        assert "cloudflared" in found.units
    assert find_host("https://other.example.org", tmp_path / "none") is None


def test_a_machine_without_a_station_is_not_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_discovery, "DEPLOYED", tmp_path / "none.env")
    assert find_host(None, tmp_path) is None

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.fault import explain
from shoal.broadcaster.hls_watcher import Folder, Wanted, newest
from shoal.broadcaster.owncast_playlist import SegmentName

PACKET = b"\x47" + bytes(187)


class Owncast:
    """Writes a folder the way Owncast does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listed: dict[int, list[str]] = {}

    def segment(self, name: str, data: bytes = PACKET * 10, variant: int = 0) -> Path:
        folder = self.path / str(variant)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(data)
        return path

    def playlist(self, *names: str, variant: int = 0, ended: bool = False) -> None:
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4"]
        for name in names:
            lines += ["#EXTINF:4.0,", "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:03:08.231+0000", name]
        lines += ["#EXT-X-ENDLIST"] if ended else []
        folder = self.path / str(variant)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stream.m3u8").write_text("\n".join(lines) + "\n")


def everything(_variant: int, _name: SegmentName) -> bool:
    return True


def polls(
    folder: Folder, times: int = 3, start_s: float = 0.0, wanted: Wanted = everything
) -> list[str]:
    return [s.path.name for i in range(times) for s in folder.poll(start_s + i, wanted)]


def test_a_segment_is_found_once_when_it_is_listed_and_has_stopped_growing(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    path = owncast.segment("stream-a-0.ts", PACKET * 3)
    assert polls(folder) == []
    owncast.playlist("stream-a-0.ts")
    assert folder.poll(0, everything) == []
    path.write_bytes(PACKET * 5)
    assert folder.poll(0, everything) == []
    [found] = folder.poll(0, everything)
    assert (found.name, found.duration, found.data) == (SegmentName("a", 0), 4.0, PACKET * 5)
    assert found.program_date_time == "2026-11-22T09:03:08.231+00:00"
    assert polls(folder) == []


def test_a_file_that_is_cut_within_a_packet_is_not_taken(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    path = owncast.segment("stream-a-0.ts", PACKET + b"\x47abc")
    owncast.playlist("stream-a-0.ts")
    assert polls(folder) == []
    path.write_bytes(PACKET * 2)
    assert polls(folder) == ["stream-a-0.ts"]


def test_segments_come_in_the_order_of_their_numbers_over_all_renditions(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    for variant, ks in ((0, (9, 10, 11)), (1, (8, 9, 10))):
        for k in ks:
            owncast.segment(f"stream-a-{k}.ts", variant=variant)
        owncast.playlist(*(f"stream-a-{k}.ts" for k in ks), variant=variant)
    found = [(s.name.k, s.variant) for _ in range(2) for s in folder.poll(0, everything)]
    assert found == [(8, 1), (9, 0), (9, 1), (10, 0), (10, 1), (11, 0)]


def test_offline_clips_are_never_taken(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    owncast.segment("stream-offline-0.ts")
    owncast.segment("offline-v2.ts")
    owncast.playlist("stream-offline-0.ts", "offline-v2.ts", ended=True)
    assert polls(folder) == []
    assert not folder.live


def test_a_stream_is_live_until_its_playlist_ends(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    folder.poll(0, everything)
    assert folder.live
    owncast.playlist("stream-a-0.ts", "offline-v2.ts", ended=True)
    folder.poll(0, everything)
    assert not folder.live


def test_a_folder_that_is_emptied_or_made_again_is_followed(tmp_path: Path) -> None:
    hls = tmp_path / "hls"
    owncast, folder = Owncast(hls), Folder(hls)
    folder.poll(0, everything)
    assert folder.fault is not None
    assert "does not exist" in folder.fault
    for stream in ("a", "b", "c"):
        owncast.segment(f"stream-{stream}-0.ts")
        owncast.playlist(f"stream-{stream}-0.ts")
        assert polls(folder) == [f"stream-{stream}-0.ts"]
        assert folder.fault is None
        for path in sorted(hls.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if stream == "b":
            hls.rmdir()
        assert polls(folder) == []


def test_a_listed_segment_that_never_comes_is_lost_after_a_while(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    owncast.playlist("stream-a-0.ts")
    polls(folder, 2)
    assert folder.lost == 0
    polls(folder, 3, start_s=2)
    assert folder.lost == 1


def test_what_is_not_wanted_is_not_read(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    assert polls(folder, wanted=lambda _variant, _name: False) == []


def test_a_change_after_reading_is_noticed(tmp_path: Path) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    path = owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    [found] = [s for _ in range(2) for s in folder.poll(0, everything)]
    assert newest(found) == found
    path.write_bytes(PACKET * 11)
    assert newest(found).data == PACKET * 11
    path.unlink()
    assert newest(found) == found


def test_a_permission_fault_names_the_barrier_its_mode_and_us(tmp_path: Path) -> None:
    closed = tmp_path / "0"
    closed.mkdir(mode=0o750)
    message = explain(closed / "stream.m3u8", PermissionError(13, "Permission denied"))
    assert str(closed) in message
    assert "mode 0750" in message
    assert f"uid {os.geteuid()}" in message


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_a_playlist_cut_anywhere_only_delays(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hls")
    owncast, folder = Owncast(path), Folder(path)
    names = [f"stream-a-{k}.ts" for k in range(3)]
    for name in names:
        owncast.segment(name)
    owncast.playlist(*names)
    playlist = path / "0" / "stream.m3u8"
    whole = playlist.read_text()
    found: list[str] = []
    for cut in cuts:
        playlist.write_text(whole[:cut])
        found += polls(folder, 1)
    playlist.write_text(whole)
    found += polls(folder)
    assert sorted(found) == names


def test_what_leaves_the_playlist_unread_is_lost_but_a_cut_playlist_loses_nothing(
    tmp_path: Path,
) -> None:
    owncast, folder = Owncast(tmp_path), Folder(tmp_path)
    names = [f"stream-a-{k}.ts" for k in range(4)]
    for name in names:
        owncast.segment(name, b"\x47cut")
    owncast.playlist(*names[:3])
    polls(folder)
    owncast.playlist(*names[:1])  # cut, between two lines
    polls(folder)
    owncast.playlist(*names[:3])
    polls(folder)
    assert folder.lost == 0
    owncast.playlist(*names[2:])
    polls(folder)
    assert folder.lost == 2
    owncast.playlist("stream-b-0.ts")
    polls(folder)
    assert folder.lost == 4

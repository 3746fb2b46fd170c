import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.hls_watcher import (
    HlsWatcher,
    SegmentKey,
    SourceSegment,
    explain_read_error,
    reread_if_changed,
)
from shoal.broadcaster.owncast_playlist import SegmentName

PACKET = b"\x47" + bytes(187)


class Owncast:
    """Writes an HLS folder the way Owncast does."""

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


def poll(watcher: HlsWatcher, now_s: float = 0.0) -> list[SourceSegment]:
    """Return what is complete; everything that is listed is due."""
    watcher.scan()
    return watcher.read(watcher.pending, now_s)


def scan(watcher: HlsWatcher, times: int = 3, start_s: float = 0.0) -> list[str]:
    return [s.path.name for i in range(times) for s in poll(watcher, start_s + i)]


def test_a_segment_is_found_once_when_it_is_listed_and_has_stopped_growing(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    path = owncast.segment("stream-a-0.ts", PACKET * 3)
    assert scan(watcher) == []
    owncast.playlist("stream-a-0.ts")
    assert poll(watcher) == []
    path.write_bytes(PACKET * 5)
    assert poll(watcher) == []
    [found] = poll(watcher)
    assert (found.name, found.duration, found.data) == (SegmentName("a", 0), 4.0, PACKET * 5)
    assert found.program_date_time == "2026-11-22T09:03:08.231+00:00"
    assert scan(watcher) == []


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    path = owncast.segment("stream-a-0.ts", PACKET * 3)
    owncast.playlist("stream-a-0.ts")
    poll(watcher)
    read_bytes = Path.read_bytes

    def read_while_it_grows(path: Path) -> bytes:
        data = read_bytes(path)
        if len(data) < len(PACKET * 5):
            path.write_bytes(PACKET * 5)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_while_it_grows)
    assert poll(watcher) == []
    found = [*poll(watcher), *poll(watcher)]
    assert [(segment.path, segment.data) for segment in found] == [(path, PACKET * 5)]


def test_a_file_that_is_cut_off_within_a_packet_is_not_read(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    path = owncast.segment("stream-a-0.ts", PACKET + b"\x47abc")
    owncast.playlist("stream-a-0.ts")
    assert scan(watcher) == []
    path.write_bytes(PACKET * 2)
    assert scan(watcher) == ["stream-a-0.ts"]


def test_segments_of_all_variants_come_in_the_order_of_their_indexes(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    for variant, indexes in ((0, (9, 10, 11)), (1, (8, 9, 10))):
        for index in indexes:
            owncast.segment(f"stream-a-{index}.ts", variant=variant)
        owncast.playlist(*(f"stream-a-{index}.ts" for index in indexes), variant=variant)
    found = [(s.name.index, s.variant) for _ in range(2) for s in poll(watcher)]
    assert found == [(8, 1), (9, 0), (9, 1), (10, 0), (10, 1), (11, 0)]


def test_offline_clips_are_never_read(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.segment("stream-offline-0.ts")
    owncast.segment("offline-v2.ts")
    owncast.playlist("stream-offline-0.ts", "offline-v2.ts", ended=True)
    assert scan(watcher) == []
    assert not watcher.live


def test_a_stream_is_live_until_its_playlist_ends(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    poll(watcher)
    assert watcher.live
    owncast.playlist("stream-a-0.ts", "offline-v2.ts", ended=True)
    poll(watcher)
    assert not watcher.live


def test_a_folder_that_is_emptied_or_recreated_is_followed(tmp_path: Path) -> None:
    hls = tmp_path / "hls"
    owncast, watcher = Owncast(hls), HlsWatcher(hls)
    poll(watcher)
    assert watcher.fault is not None
    assert "does not exist" in watcher.fault
    for stream in ("a", "b", "c"):
        owncast.segment(f"stream-{stream}-0.ts")
        owncast.playlist(f"stream-{stream}-0.ts")
        assert scan(watcher) == [f"stream-{stream}-0.ts"]
        assert watcher.fault is None
        for path in sorted(hls.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if stream == "b":
            hls.rmdir()
        assert scan(watcher) == []


def test_a_listed_segment_that_never_appears_is_lost_after_a_while(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.playlist("stream-a-0.ts")
    scan(watcher, 2)
    assert watcher.lost == 0
    scan(watcher, 3, start_s=2)
    assert watcher.lost == 1


def test_a_scan_returns_what_is_listed_for_the_first_time_in_the_order_of_indexes(
    tmp_path: Path,
) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.playlist("stream-a-1.ts", "stream-a-2.ts", "offline-v2.ts", variant=0)
    owncast.playlist("stream-a-0.ts", "stream-a-1.ts", variant=1)
    first: list[SegmentKey] = [
        (v, SegmentName("a", i)) for i, v in ((0, 1), (1, 0), (1, 1), (2, 0))
    ]
    assert watcher.scan() == first
    assert watcher.scan() == []
    assert watcher.pending == first
    owncast.playlist("stream-a-2.ts", "stream-a-3.ts", variant=0)
    assert watcher.scan() == [(0, SegmentName("a", 3))]
    assert watcher.lost == 1


def test_a_segment_that_is_not_due_is_not_read(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    watcher.scan()
    assert watcher.read((), 0) == []
    assert watcher.pending == []
    assert scan(watcher) == []
    assert watcher.lost == 0


def test_a_segment_that_others_overtook_before_it_was_complete_is_lost(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    owncast.segment("stream-a-0.ts", b"\x47cut")
    owncast.playlist("stream-a-0.ts")
    assert scan(watcher) == []
    watcher.read((), 0)
    assert watcher.lost == 1


def test_a_change_after_reading_is_noticed(tmp_path: Path) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    path = owncast.segment("stream-a-0.ts")
    owncast.playlist("stream-a-0.ts")
    [found] = [s for _ in range(2) for s in poll(watcher)]
    assert reread_if_changed(found) == found
    path.write_bytes(PACKET * 11)
    assert reread_if_changed(found).data == PACKET * 11
    path.unlink()
    assert reread_if_changed(found) == found


def test_a_permission_error_names_the_barrier_its_mode_and_our_user(tmp_path: Path) -> None:
    closed = tmp_path / "0"
    closed.mkdir(mode=0o750)
    message = explain_read_error(closed / "stream.m3u8", PermissionError(13, "Permission denied"))
    assert str(closed) in message
    assert "mode 0750" in message
    assert f"uid {os.geteuid()}" in message


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_a_playlist_cut_anywhere_only_delays(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hls")
    owncast, watcher = Owncast(path), HlsWatcher(path)
    names = [f"stream-a-{index}.ts" for index in range(3)]
    for name in names:
        owncast.segment(name)
    owncast.playlist(*names)
    playlist = path / "0" / "stream.m3u8"
    whole = playlist.read_text()
    found: list[str] = []
    for cut in cuts:
        playlist.write_text(whole[:cut])
        found += scan(watcher, 1)
    playlist.write_text(whole)
    found += scan(watcher)
    assert sorted(found) == names


def test_what_leaves_the_playlist_unread_is_lost_but_a_cut_off_playlist_loses_nothing(
    tmp_path: Path,
) -> None:
    owncast, watcher = Owncast(tmp_path), HlsWatcher(tmp_path)
    names = [f"stream-a-{index}.ts" for index in range(4)]
    for name in names:
        owncast.segment(name, b"\x47cut")
    owncast.playlist(*names[:3])
    scan(watcher)
    owncast.playlist(*names[:1])  # cut off between two lines
    scan(watcher)
    owncast.playlist(*names[:3])
    scan(watcher)
    assert watcher.lost == 0
    owncast.playlist(*names[2:])
    scan(watcher)
    assert watcher.lost == 2
    owncast.playlist("stream-b-0.ts")
    scan(watcher)
    assert watcher.lost == 4

import os
import stat
from pathlib import Path

import m3u8
import pytest

from shoal.local.owncast_output import OwncastOutput, with_offline_clip

PLAYLIST = """\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:3
#EXTINF:4.000000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:03:08.231+0000
stream-a-3.ts
"""


@pytest.fixture
def folder(tmp_path: Path) -> OwncastOutput:
    folder = OwncastOutput(tmp_path / "data/hls", 2)
    folder.reset()
    return folder


def test_reset_empties_the_folder_without_replacing_it(folder: OwncastOutput) -> None:
    inode = folder.root.stat().st_ino
    (folder.root / "stream.m3u8").write_text("x")
    (folder.root / "0/stream-a-0.ts").write_text("x")
    (folder.root / "7").mkdir()
    folder.reset()
    assert sorted(path.name for path in folder.root.rglob("*")) == ["0", "1"]
    assert folder.root.stat().st_ino == inode
    assert stat.S_IMODE((folder.root / "0").stat().st_mode) == 0o750


@pytest.mark.parametrize(
    "path",
    [
        "/stream.m3u8",
        "/0/stream.m3u8",
        "/1/stream--_x-12.ts",
        "/0/offline-v2.ts",
    ],
)
def test_paths_of_owncasts_files(folder: OwncastOutput, path: str) -> None:
    assert folder.path_of(path) == folder.root / path[1:]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/0/",
        "/2/stream.m3u8",
        "/../stream.m3u8",
        "/0/../stream.m3u8",
        "/0/..ts",
        "//stream.m3u8",
        "/0/a/b.ts",
        "/0/a.ts/",
        "/0/a.ts\n",
        "/0/a.m4s",
        "/etc/passwd",
        "/0/%2e%2e.ts",
        "/0/a\0.ts",
    ],
)
def test_other_paths_have_no_file(folder: OwncastOutput, path: str) -> None:
    assert folder.path_of(path) is None


def test_old_segments_are_deleted_by_time_in_each_variant(folder: OwncastOutput) -> None:
    for k in range(25):
        path = folder.root / "0" / f"stream-a-{k}.ts"
        path.write_text("x")
        os.utime(path, (k, k))
    (folder.root / "1/stream-a-0.ts").write_text("x")
    (folder.root / "0/stream.m3u8").write_text("x")
    folder.delete_old_segments(8)
    kept = {path.name for path in (folder.root / "0").glob("*.ts")}
    assert kept == {f"stream-a-{k}.ts" for k in range(7, 25)}
    assert (folder.root / "1/stream-a-0.ts").exists()
    assert (folder.root / "0/stream.m3u8").exists()


def test_the_offline_clip_ends_the_playlist() -> None:
    parsed = m3u8.loads(with_offline_clip(PLAYLIST))
    assert [segment.uri for segment in parsed.segments] == ["stream-a-3.ts", "offline-v2.ts"]
    assert parsed.segments[1].discontinuity
    assert parsed.segments[1].duration == 8.128
    assert parsed.is_endlist
    assert parsed.target_duration == 9
    assert parsed.media_sequence == 3


def test_a_cut_playlist_and_a_longer_target_stay_valid() -> None:
    cut = PLAYLIST.rstrip("\n").replace("TARGETDURATION:4", "TARGETDURATION:12")
    ended = with_offline_clip(cut)
    assert "stream-a-3.ts\n#EXT-X-DISCONTINUITY\n" in ended
    assert m3u8.loads(ended).target_duration == 12


def test_the_clip_is_appended_only_where_there_is_a_playlist(
    folder: OwncastOutput, tmp_path: Path
) -> None:
    clip = tmp_path / "offline-v2.ts"
    clip.write_bytes(b"clip")
    (folder.root / "0/stream.m3u8").write_text(PLAYLIST)
    folder.append_offline_clip(clip)
    assert (folder.root / "0/offline-v2.ts").read_bytes() == b"clip"
    assert (folder.root / "0/stream.m3u8").read_text().endswith("#EXT-X-ENDLIST\n")
    assert list((folder.root / "1").iterdir()) == []
    assert [path.name for path in folder.root.parent.iterdir()] == ["hls"]

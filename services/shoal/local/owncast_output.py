"""Owncast's output folder, `data/hls`, and how Owncast creates, empties and changes it."""

import os
import re
import shutil
import time
from pathlib import Path

HLS_FOLDER = Path("data/hls")  # in Owncast's working directory

# Owncast's latency levels: seconds per segment → entries in its playlist
PLAYLIST_SEGMENTS = {1: 25, 2: 15, 3: 10, 4: 8, 5: 5}

VARIANT_MODE = 0o750  # Owncast's os.MkdirAll(…, 0750)
KEPT_BEYOND_PLAYLIST = 10
OFFLINE_CLIP = "offline-v2.ts"
OFFLINE_CLIP_S = 8.128

_ALLOWED = re.compile(r"/(?:stream\.m3u8|(\d+)/(?:stream\.m3u8|[A-Za-z0-9_-]+\.ts))")
_TARGET_DURATION = re.compile(r"^#EXT-X-TARGETDURATION:(\d+)$", re.MULTILINE)


class OwncastOutput:
    """The output folder of an Owncast with `variants` variants, numbered from 0."""

    def __init__(self, root: Path, variants: int) -> None:
        self.root = root
        self.variants = variants

    def path_of(self, url_path: str) -> Path | None:
        """Return the file for a decoded URL path, or None if Owncast has no such file."""
        found = _ALLOWED.fullmatch(url_path)
        if found is None or (found[1] is not None and int(found[1]) >= self.variants):
            return None
        return self.root / url_path[1:]

    def reset(self) -> None:
        """Empty the folder, without replacing it, and create the variants' folders."""
        self.root.mkdir(mode=VARIANT_MODE, parents=True, exist_ok=True)
        for entry in self.root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for n in range(self.variants):
            (self.root / str(n)).mkdir(mode=VARIANT_MODE)

    def delete_old_segments(self, playlist_segments: int) -> None:
        """Keep the newest segments by time: as many as the playlist names, plus ten."""
        for n in range(self.variants):
            newest_first = sorted(
                (self.root / str(n)).glob("*.ts"), key=lambda path: path.stat().st_mtime_ns
            )[::-1]
            for path in newest_first[playlist_segments + KEPT_BEYOND_PLAYLIST :]:
                path.unlink()

    def append_offline_clip(self, clip: Path) -> None:
        """End each variant's playlist with the offline clip; skip variants without a playlist."""
        for n in range(self.variants):
            playlist = self.root / str(n) / "stream.m3u8"
            if not playlist.exists():
                continue
            shutil.copyfile(clip, playlist.with_name(OFFLINE_CLIP))
            temporary = self.root.parent / f".stream-{n}-{time.monotonic_ns()}.m3u8"
            temporary.write_text(with_offline_clip(playlist.read_text()))
            os.replace(temporary, playlist)  # noqa: PTH105 - one rename, as Owncast does


def with_offline_clip(playlist: str) -> str:
    """Return a live media playlist with the offline clip and EXT-X-ENDLIST appended."""
    longest = max(int(OFFLINE_CLIP_S) + 1, *map(int, _TARGET_DURATION.findall(playlist)), 0)
    playlist = _TARGET_DURATION.sub(f"#EXT-X-TARGETDURATION:{longest}", playlist)
    if not playlist.endswith("\n"):
        playlist += "\n"
    return (
        f"{playlist}#EXT-X-DISCONTINUITY\n"
        f"#EXTINF:{OFFLINE_CLIP_S:.6f},\n{OFFLINE_CLIP}\n#EXT-X-ENDLIST\n"
    )

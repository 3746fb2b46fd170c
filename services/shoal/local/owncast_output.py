"""Owncast's `data/hls` on disk: what it creates, empties, appends and deletes."""

import os
import re
import shutil
import time
from pathlib import Path

HLS_FOLDER = Path("data/hls")  # below Owncast's working directory

# Owncast's latency levels: seconds a segment → entries in its playlist
PLAYLIST_SEGMENTS = {1: 25, 2: 15, 3: 10, 4: 8, 5: 5}

VARIANT_MODE = 0o750  # Owncast's os.MkdirAll(…, 0750)
KEPT_BEYOND_PLAYLIST = 10
OFFLINE_CLIP = "offline-v2.ts"
OFFLINE_CLIP_S = 8.128

_ALLOWED = re.compile(r"/(?:stream\.m3u8|(\d+)/(?:stream\.m3u8|[A-Za-z0-9_-]+\.ts))")
_TARGET_DURATION = re.compile(r"^#EXT-X-TARGETDURATION:(\d+)$", re.MULTILINE)


class HlsFolder:
    """The folder of one Owncast with `variants` renditions, numbered from 0."""

    def __init__(self, root: Path, variants: int) -> None:
        self.root = root
        self.variants = variants

    def path_of(self, url_path: str) -> Path | None:
        """Return the file that a decoded URL path names, or None if it is none of Owncast's."""
        found = _ALLOWED.fullmatch(url_path)
        if found is None or (found[1] is not None and int(found[1]) >= self.variants):
            return None
        return self.root / url_path[1:]

    def reset(self) -> None:
        """Empty the folder, which itself stays, and make the variant folders again."""
        self.root.mkdir(mode=VARIANT_MODE, parents=True, exist_ok=True)
        for entry in self.root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for n in range(self.variants):
            (self.root / str(n)).mkdir(mode=VARIANT_MODE)

    def delete_old_segments(self, playlist_segments: int) -> None:
        """Keep the newest segments by time, as many as the playlist names and ten more."""
        for n in range(self.variants):
            newest_first = sorted(
                (self.root / str(n)).glob("*.ts"), key=lambda path: path.stat().st_mtime_ns
            )[::-1]
            for path in newest_first[playlist_segments + KEPT_BEYOND_PLAYLIST :]:
                path.unlink()

    def append_offline_clip(self, clip: Path) -> None:
        """End each variant's playlist with the offline clip; a variant without one is left."""
        for n in range(self.variants):
            playlist = self.root / str(n) / "stream.m3u8"
            if not playlist.exists():
                continue
            shutil.copyfile(clip, playlist.with_name(OFFLINE_CLIP))
            temporary = self.root.parent / f".stream-{n}-{time.monotonic_ns()}.m3u8"
            temporary.write_text(with_offline_clip(playlist.read_text()))
            os.replace(temporary, playlist)  # noqa: PTH105 - Owncast moves it too: one rename


def with_offline_clip(playlist: str) -> str:
    """Return a live media playlist, ended with the offline clip."""
    longest = max(int(OFFLINE_CLIP_S) + 1, *map(int, _TARGET_DURATION.findall(playlist)), 0)
    playlist = _TARGET_DURATION.sub(f"#EXT-X-TARGETDURATION:{longest}", playlist)
    if not playlist.endswith("\n"):
        playlist += "\n"
    return (
        f"{playlist}#EXT-X-DISCONTINUITY\n"
        f"#EXTINF:{OFFLINE_CLIP_S:.6f},\n{OFFLINE_CLIP}\n#EXT-X-ENDLIST\n"
    )

"""Parses a playlist as a player would (RFC 8216), whoever wrote it. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin

START = "#EXTM3U"


@dataclass(frozen=True)
class Playlist:
    """A media playlist."""

    target_duration_s: int
    sequence: int
    """media sequence of the first segment"""
    urls: tuple[str, ...]
    """absolute; without those of gaps"""
    entries: int
    """segments and gaps"""
    newest_end: float | None
    """when the newest segment ends by its program date-time, Unix seconds; None without one"""
    ended: bool

    @property
    def next_sequence(self) -> int:
        """Media sequence of the segment that comes next."""
        return self.sequence + self.entries


def parse(text: str, url: str) -> Playlist:
    """Return the media playlist that was found at `url`; raise ValueError if it is not one."""
    if not text.startswith(START):
        raise ValueError(f"{url} is not a playlist: it begins with {text[:40]!r}")
    target, sequence, entries, ended, gap = 0, 0, 0, False, False
    duration, clock = 0.0, None
    urls: list[str] = []
    for line in text.splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-TARGETDURATION":
            target = int(value)
        elif tag == "#EXT-X-MEDIA-SEQUENCE":
            sequence = int(value)
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            clock = datetime.fromisoformat(value.strip()).timestamp()
        elif tag == "#EXTINF":
            duration = float(value.split(",")[0])
        elif line == "#EXT-X-GAP":
            gap = True
        elif line == "#EXT-X-ENDLIST":
            ended = True
        elif line and not line.startswith("#"):
            entries += 1
            if not gap:
                urls.append(urljoin(url, line))
            clock = None if clock is None else clock + duration
            gap = False
    return Playlist(target, sequence, tuple(urls), entries, clock, ended)


def first_variant(text: str, url: str) -> str | None:
    """Return the URL of the first variant of a multivariant playlist; None for other text."""
    if "#EXT-X-STREAM-INF" not in text:
        return None
    names = (line for line in text.splitlines() if line and not line.startswith("#"))
    return next((urljoin(url, name) for name in names), None)

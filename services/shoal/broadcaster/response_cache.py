"""The bodies of our public responses: rendered once per change, compressed once."""

import gzip
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import brotli
import msgspec

from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.playlist import (
    gap_name,
    live_media_playlist,
    live_multivariant_playlist,
)
from shoal.broadcaster.timeline import LATE_SEGMENTS, Timeline
from shoal.segments import SegmentList, VariantSegments

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
JSON_TYPE = "application/json"
GZIP_LEVEL = 6
BROTLI_QUALITY = 5


@dataclass(frozen=True)
class CachedResponse:
    """A rendered body and its compressed forms."""

    content_type: str
    plain: bytes
    encoded: Mapping[str, bytes]
    """by content coding, in order of preference"""
    etag: str


class ResponseCache:
    """The public responses about a timeline."""

    def __init__(self, timeline: Timeline, watcher: HlsWatcher) -> None:
        self._timeline = timeline
        self._watcher = watcher
        self._version = timeline.version
        """of the timeline, when what follows was rendered"""
        self._responses: dict[str, CachedResponse] = {}
        self._urls: dict[tuple[int, str], str] | None = None

    @property
    def variants(self) -> Collection[int]:
        """The published variants."""
        return self._timeline.windows.keys()

    def playlist(self) -> CachedResponse | None:
        """Return the station's playlist; None before the first segment."""
        windows = self._timeline.windows
        if not windows or self._variants_missing():
            return None
        if max(len(windows), len(self._watcher.variants)) == 1:
            return self.variant_playlist(next(iter(windows)))
        return self._cached(
            "multivariant",
            PLAYLIST_TYPE,
            lambda: live_multivariant_playlist(self._timeline, self._watcher.variants).encode(),
        )

    def variant_playlist(self, variant: int) -> CachedResponse | None:
        """Return the media playlist of a variant; None if it is not published."""
        window = self._timeline.windows.get(variant)
        if window is None:
            return None
        return self._cached(
            f"media {variant}",
            PLAYLIST_TYPE,
            lambda: live_media_playlist(self._timeline, window).encode(),
        )

    def segments(self, variant: int | None = None, after: int = -1) -> CachedResponse:
        """Return the descriptors above the media sequence `after`, of all variants or of one."""
        if after >= 0:
            # clients choose this number: never cache more responses than a window has segments
            oldest, newest = self._sequence_range(variant)
            after = min(max(after, oldest - 1), newest)
        return self._cached(
            f"segments {variant} {after}",
            JSON_TYPE,
            lambda: msgspec.json.encode(
                SegmentList(
                    stream=self._timeline.newest_stream,
                    variants={
                        str(number): VariantSegments(window.descriptors(after))
                        for number, window in sorted(self._timeline.windows.items())
                        if variant in (None, number)
                    },
                )
            ),
        )

    def _sequence_range(self, variant: int | None) -> tuple[int, int]:
        """Return the oldest and the newest media sequence of one variant, or of all."""
        numbers = [
            sequence
            for number, window in self._timeline.windows.items()
            if variant in (None, number) and window.entries
            for sequence in (window.entries[0].sequence, window.entries[-1].sequence)
        ]
        return min(numbers, default=0), max(numbers, default=0)

    def _variants_missing(self) -> bool:
        """Return whether listed variants are yet to appear: players read the playlist only once."""
        windows = self._timeline.windows
        longest = max(len(window.entries) for window in windows.values())
        return longest <= LATE_SEGMENTS and bool(self._watcher.variants.keys() - windows.keys())

    def segment_url(self, variant: int | None, name: str) -> str | None:
        """Return the URL of a published segment, None if there is none.

        `variant` may be None if only one is published.
        """
        variant = self._resolve(variant)
        if variant is None:
            return None
        self._drop_outdated()
        if self._urls is None:
            self._urls = {(d.variant, d.name): d.url for d in self._timeline.descriptors()}
        return self._urls.get((variant, name))

    def is_gap(self, variant: int | None, name: str) -> bool:
        """Return whether a name is that of a gap; `variant` is as in `segment_url`."""
        variant = self._resolve(variant)
        if variant not in self._timeline.windows:
            return False
        entries = self._timeline.windows[variant].entries
        return any(e.descriptor is None and gap_name(e.sequence) == name for e in entries)

    def _resolve(self, variant: int | None) -> int | None:
        """Return the variant that is meant; None if it is not given and there are several."""
        if variant is None and len(self._timeline.windows) == 1:
            return next(iter(self._timeline.windows))
        return variant

    def _cached(self, key: str, content_type: str, render: Callable[[], bytes]) -> CachedResponse:
        self._drop_outdated()
        response = self._responses.get(key)
        if response is None:
            response = self._responses[key] = compress(content_type, render())
        return response

    def _drop_outdated(self) -> None:
        if self._version != self._timeline.version:
            self._version = self._timeline.version
            self._responses.clear()
            self._urls = None


def compress(content_type: str, plain: bytes) -> CachedResponse:
    """Return a response with its compressed forms and its ETag."""
    return CachedResponse(
        content_type,
        plain,
        {
            "br": brotli.compress(plain, quality=BROTLI_QUALITY),
            "gzip": gzip.compress(plain, GZIP_LEVEL, mtime=0),
        },
        hashlib.sha256(plain).hexdigest()[:32],
    )

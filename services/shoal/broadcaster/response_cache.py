"""The bodies of our public answers: rendered once after a change, compressed once."""

import gzip
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import brotli
import msgspec

from shoal.broadcaster.owncast_playlist import Rendition as OwncastRendition
from shoal.broadcaster.playlist import gap_name, media_playlist, multivariant_playlist
from shoal.broadcaster.timeline import LATE_SEGMENTS, Timeline
from shoal.segments import Descriptor, SegmentList, VariantSegments

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
JSON_TYPE = "application/json"
GZIP_LEVEL = 6
BROTLI_QUALITY = 5


@dataclass(frozen=True)
class Body:
    """One rendered answer."""

    content_type: str
    plain: bytes
    encoded: Mapping[str, bytes]
    """by content coding, the one to prefer first"""
    etag: str


class Views:
    """What the public may read of a timeline."""

    def __init__(
        self, timeline: Timeline, owncast: Callable[[], Mapping[int, OwncastRendition]]
    ) -> None:
        self._timeline = timeline
        self._owncast = owncast
        self._bodies: dict[str, Body] = {}
        self._urls: dict[tuple[int, str], str] | None = None

    def changed(self) -> None:
        """Forget what was rendered: the timeline has changed."""
        self._bodies.clear()
        self._urls = None

    @property
    def variants(self) -> Collection[int]:
        """The renditions that are published."""
        return self._timeline.renditions.keys()

    def playlist(self) -> Body | None:
        """The station's playlist; None before the first segment."""
        renditions = self._timeline.renditions
        if not renditions or self._begins():
            return None
        if max(len(renditions), len(self._owncast())) == 1:
            return self.variant_playlist(next(iter(renditions)))
        return self._body(
            "multivariant",
            PLAYLIST_TYPE,
            lambda: multivariant_playlist(self._timeline, self._owncast()).encode(),
        )

    def variant_playlist(self, variant: int) -> Body | None:
        """One rendition's media playlist; None when there is no such rendition."""
        rendition = self._timeline.renditions.get(variant)
        if rendition is None:
            return None
        return self._body(
            f"media {variant}",
            PLAYLIST_TYPE,
            lambda: media_playlist(self._timeline, rendition).encode(),
        )

    def segments(self, variant: int | None = None, after: int = -1) -> Body:
        """The descriptors of all renditions or of one, those above `after`."""
        if after >= 0:
            # what is asked for decides what is kept: no more answers than a window has segments
            oldest, newest = self._bounds(variant)
            after = min(max(after, oldest - 1), newest)
        return self._body(
            f"segments {variant} {after}",
            JSON_TYPE,
            lambda: msgspec.json.encode(
                SegmentList(
                    stream=self._timeline.stream,
                    variants={
                        str(number): VariantSegments(rendition.descriptors(after))
                        for number, rendition in sorted(self._timeline.renditions.items())
                        if variant in (None, number)
                    },
                )
            ),
        )

    def _bounds(self, variant: int | None) -> tuple[int, int]:
        """The oldest and the newest media sequence of one rendition, or of all."""
        numbers = [
            sequence
            for number, rendition in self._timeline.renditions.items()
            if variant in (None, number) and rendition.entries
            for sequence in (rendition.entries[0].sequence, rendition.entries[-1].sequence)
        ]
        return min(numbers, default=0), max(numbers, default=0)

    def _begins(self) -> bool:
        """Whether renditions that Owncast names are still to come: players read the list once."""
        renditions = self._timeline.renditions
        longest = max(len(rendition.entries) for rendition in renditions.values())
        return longest <= LATE_SEGMENTS and bool(self._owncast().keys() - renditions.keys())

    def segment_url(self, variant: int | None, name: str) -> str | None:
        """Where a published segment is; without a variant only when there is one rendition."""
        variant = self._named(variant)
        if variant is None:
            return None
        if self._urls is None:
            self._urls = {(d.variant, d.name): d.url for d in self._descriptors()}
        return self._urls.get((variant, name))

    def is_gap(self, variant: int | None, name: str) -> bool:
        """Say whether a name stands for a gap; without a variant as in `segment_url`."""
        variant = self._named(variant)
        if variant not in self._timeline.renditions:
            return False
        entries = self._timeline.renditions[variant].entries
        return any(e.descriptor is None and gap_name(e.sequence) == name for e in entries)

    def _named(self, variant: int | None) -> int | None:
        """The rendition that is meant; None when none is named and there are several."""
        if variant is None and len(self._timeline.renditions) == 1:
            return next(iter(self._timeline.renditions))
        return variant

    def _descriptors(self) -> list[Descriptor]:
        return [
            descriptor
            for rendition in self._timeline.renditions.values()
            for descriptor in rendition.descriptors()
        ]

    def _body(self, key: str, content_type: str, render: Callable[[], bytes]) -> Body:
        body = self._bodies.get(key)
        if body is None:
            body = self._bodies[key] = rendered(content_type, render())
        return body


def rendered(content_type: str, plain: bytes) -> Body:
    """Return an answer, compressed."""
    return Body(
        content_type,
        plain,
        {
            "br": brotli.compress(plain, quality=BROTLI_QUALITY),
            "gzip": gzip.compress(plain, GZIP_LEVEL, mtime=0),
        },
        hashlib.sha256(plain).hexdigest()[:32],
    )

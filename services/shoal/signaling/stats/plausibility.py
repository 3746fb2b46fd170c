"""What there was to receive: no viewer can have had more of it than was announced.

All costs the same however long a viewer stays and however often it switches.
"""

WINDOW_SEGMENTS = 60
"""of the playlist: what a viewer may fetch of the time before it came to a rendition"""
UNKNOWN_SEGMENT_BYTES = 16_000_000
"""taken for the largest segment while none is announced: 6 s at 20 Mbit/s"""


class PublishedBytes:
    """Bytes announced since the start, by rendition."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}
        self._largest: dict[int, int] = {}
        self._largest_of_all = 0

    def __contains__(self, variant: int) -> bool:
        return variant in self._bytes

    def add(self, variant: int, size: int) -> None:
        """Note a segment that viewers may receive from now on."""
        self._bytes[variant] = self.bytes(variant) + size
        self._largest[variant] = max(self._largest.get(variant, 0), size)
        self._largest_of_all = max(self._largest_of_all, size)

    def bytes(self, variant: int) -> int:
        """Return the sum of a rendition."""
        return self._bytes.get(variant, 0)

    def window(self, variant: int) -> int:
        """Return how much a playlist of this rendition can name at once."""
        largest = self._largest.get(variant) or self._largest_of_all or UNKNOWN_SEGMENT_BYTES
        return WINDOW_SEGMENTS * largest


class ViewerHistory:
    """One viewer's way through the renditions, since it joined."""

    __slots__ = ("_from_earlier_variants", "_left_at", "_published", "_since", "variant")

    def __init__(self, published: PublishedBytes, variant: int) -> None:
        self.variant = variant
        """the rendition that it is on"""
        self._published = published
        self._since = published.bytes(variant)
        """announced of this rendition before it came to it"""
        self._left_at: dict[int, int] = {}
        """announced of each rendition before it left it"""
        self._from_earlier_variants = 0
        """what there was of the renditions that it left"""

    @property
    def available(self) -> int:
        """Bytes that there were to receive while it was on their rendition, and a window before."""
        return self._from_earlier_variants + self._from_this_variant()

    def switch(self, variant: int) -> None:
        """Leave a rendition for another one; what was never announced leaves nothing behind."""
        if variant == self.variant:
            return
        if self.variant in self._published:
            self._from_earlier_variants += self._from_this_variant()
            self._left_at[self.variant] = self._published.bytes(self.variant)
        self.variant = variant
        self._since = self._published.bytes(variant)

    def _from_this_variant(self) -> int:
        begin = self._since - self._published.window(self.variant)
        if (left_at := self._left_at.get(self.variant)) is not None:
            begin = max(begin, left_at)  # switching to and fro brings nothing twice
        return self._published.bytes(self.variant) - begin

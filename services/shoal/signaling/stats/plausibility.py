"""What a viewer can have received: no more of a variant than was published.

Cost is constant, however long a viewer stays and however often it switches.
"""

WINDOW_SEGMENTS = 60
"""of the playlist: what a viewer may fetch from the time before it switched to a variant"""
UNKNOWN_SEGMENT_BYTES = 16_000_000
"""size of the largest segment while none is known: 6 s at 20 Mbit/s"""


class PublishedBytes:
    """Bytes published since the start, by variant."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}
        self._largest: dict[int, int] = {}
        self._largest_of_all = 0

    def __contains__(self, variant: int) -> bool:
        return variant in self._bytes

    def add(self, variant: int, size: int) -> None:
        """Add a segment that viewers may receive from now on."""
        self._bytes[variant] = self.bytes(variant) + size
        self._largest[variant] = max(self._largest.get(variant, 0), size)
        self._largest_of_all = max(self._largest_of_all, size)

    def bytes(self, variant: int) -> int:
        """Return the sum of a variant."""
        return self._bytes.get(variant, 0)

    def window(self, variant: int) -> int:
        """Return how many bytes a playlist of this variant can name at once."""
        largest = self._largest.get(variant) or self._largest_of_all or UNKNOWN_SEGMENT_BYTES
        return WINDOW_SEGMENTS * largest


class ViewerHistory:
    """The variants that one viewer has been on since it joined."""

    __slots__ = ("_from_earlier_variants", "_left_at", "_published", "_since", "variant")

    def __init__(self, published: PublishedBytes, variant: int) -> None:
        self.variant = variant
        """the variant that it is on"""
        self._published = published
        self._since = published.bytes(variant)
        """published of this variant before the viewer switched to it"""
        self._left_at: dict[int, int] = {}
        """published of each variant before the viewer left it"""
        self._from_earlier_variants = 0
        """bytes available from the variants that it left"""

    @property
    def available(self) -> int:
        """Bytes published while the viewer was on their variant, and in the window before."""
        return self._from_earlier_variants + self._from_this_variant()

    def switch(self, variant: int) -> None:
        """Switch to another variant; one that was never published adds nothing."""
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
            begin = max(begin, left_at)  # switching to and fro makes nothing available twice
        return self._published.bytes(self.variant) - begin

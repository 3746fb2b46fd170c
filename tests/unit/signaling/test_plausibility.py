from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from shoal.signaling.stats.plausibility import (
    UNKNOWN_SEGMENT_BYTES,
    WINDOW_SEGMENTS,
    PublishedBytes,
    ViewerHistory,
)

VARIANTS = st.integers(0, 3)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("segment"), VARIANTS, st.integers(1, 1000)),
        st.tuples(st.just("switch"), VARIANTS, st.just(0)),
    ),
    max_size=200,
)


@dataclass
class Plain:
    """A slow reference: keeps every segment that a viewer could fetch while on its variant."""

    variant: int
    segments: dict[int, list[int]] = field(default_factory=dict)
    had: dict[int, set[int]] = field(default_factory=dict)

    def segment(self, variant: int, size: int) -> None:
        self.segments.setdefault(variant, []).append(size)
        self.fetch_window()

    def switch(self, variant: int) -> None:
        self.variant = variant
        self.fetch_window()

    def fetch_window(self) -> None:
        """Fetch all segments that the variant's playlist lists now."""
        count = len(self.segments.get(self.variant, []))
        window = range(max(0, count - WINDOW_SEGMENTS), count)
        self.had.setdefault(self.variant, set()).update(window)

    @property
    def received(self) -> int:
        return sum(
            self.segments[variant][number] for variant, had in self.had.items() for number in had
        )


def test_a_viewer_may_receive_a_window_and_what_is_published_after_the_join() -> None:
    announced = PublishedBytes()
    announced.add(0, 700)
    announced.add(0, 1000)
    stay = ViewerHistory(announced, 0)
    assert stay.available == WINDOW_SEGMENTS * 1000
    announced.add(0, 500)
    announced.add(1, 9000)  # another variant
    assert stay.available == WINDOW_SEGMENTS * 1000 + 500


def test_a_switch_adds_the_other_variant_and_its_window() -> None:
    announced = PublishedBytes()
    announced.add(0, 1000)
    announced.add(1, 100)
    stay = ViewerHistory(announced, 0)
    announced.add(0, 1000)
    stay.switch(1)
    announced.add(0, 1000)
    announced.add(1, 100)
    assert stay.available == (WINDOW_SEGMENTS * 1000 + 1000) + (WINDOW_SEGMENTS * 100 + 100)
    stay.switch(0)  # the segment published meanwhile is still in the playlist
    assert stay.available == (WINDOW_SEGMENTS * 1000 + 2000) + (WINDOW_SEGMENTS * 100 + 100)


def test_switching_to_and_fro_adds_nothing() -> None:
    announced = PublishedBytes()
    announced.add(0, 1000)
    announced.add(1, 100)
    stay = ViewerHistory(announced, 0)
    for number in range(1000):
        stay.switch(number % 256)
    stay.switch(0)
    assert stay.available == WINDOW_SEGMENTS * (1000 + 100)


def test_before_the_first_segment_a_window_of_large_ones_is_allowed() -> None:
    announced = PublishedBytes()
    stay = ViewerHistory(announced, 0)
    assert stay.available == WINDOW_SEGMENTS * UNKNOWN_SEGMENT_BYTES
    announced.add(1, 100)
    assert stay.available == WINDOW_SEGMENTS * 100
    announced.add(0, 10)
    assert stay.available == WINDOW_SEGMENTS * 10 + 10


@given(VARIANTS, EVENTS, EVENTS)
def test_the_limit_is_above_all_there_is_but_not_by_much(
    variant: int, before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    announced, plain = PublishedBytes(), Plain(variant)
    sizes: dict[int, list[int]] = {}
    for _, other, size in before:
        if size:
            announced.add(other, size)
            plain.segments.setdefault(other, []).append(size)
            sizes.setdefault(other, []).append(size)
    stay = ViewerHistory(announced, variant)
    plain.fetch_window()
    since_join = 0
    for kind, other, size in after:
        if kind == "segment":
            announced.add(other, size)
            plain.segment(other, size)
            sizes.setdefault(other, []).append(size)
            since_join += size
        else:
            stay.switch(other)
            plain.switch(other)
        largest = [max(of_one) for of_one in sizes.values()]
        assert plain.received <= stay.available
        if sizes:
            windows = WINDOW_SEGMENTS * (sum(largest) + max(largest))
            assert stay.available <= since_join + windows

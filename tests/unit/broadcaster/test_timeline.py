import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broadcaster.timeline import LATE_SEGMENTS, WINDOW_SEGMENTS, Timeline, TimelineEntry
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry


def publish(timeline: Timeline, stream: str, index: int, variant: int = 0) -> int:
    sequence = assign_sequence(timeline, stream, index)
    timeline.append(entry(timeline, sequence, stream=stream, index=index, variant=variant), NOW)
    return sequence


def test_sequences_continue_across_streams_and_mark_the_change() -> None:
    timeline = Timeline()
    assert [publish(timeline, "a", index) for index in (0, 1, 2)] == [0, 1, 2]
    assert [publish(timeline, "b", index) for index in (0, 1)] == [3, 4]
    assert [s for s in range(5) if timeline.is_discontinuity(s)] == [3]
    assert timeline.newest_stream == "b"


def test_a_stream_joined_midway_continues_without_a_gap() -> None:
    timeline = Timeline()
    publish(timeline, "a", 0)
    assert publish(timeline, "b", 57) == 1
    assert publish(timeline, "b", 58) == 2
    assert not timeline.is_due(0, assign_sequence(timeline, "b", 56))


def test_a_lost_segment_becomes_a_gap() -> None:
    timeline = Timeline()
    publish(timeline, "a", 0)
    publish(timeline, "a", 3)
    entries = timeline.windows[0].entries
    assert [(e.sequence, e.descriptor is None) for e in entries] == [
        (0, False),
        (1, True),
        (2, True),
        (3, False),
    ]


def test_what_is_published_cannot_be_published_again() -> None:
    timeline = Timeline()
    sequence = publish(timeline, "a", 5)
    with pytest.raises(ValueError, match="past"):
        timeline.append(entry(timeline, sequence), NOW)


def test_a_late_variant_has_the_same_discontinuities_as_the_others() -> None:
    timeline = Timeline()
    publish(timeline, "a", 0, variant=0)
    publish(timeline, "a", 0, variant=1)
    publish(timeline, "b", 0, variant=0)
    publish(timeline, "b", 1, variant=0)
    publish(timeline, "b", 1, variant=1)  # it lost the first segment of the new stream
    assert [e.sequence for e in timeline.windows[1].entries] == [0, 1, 2]
    assert timeline.is_discontinuity(1)
    assert timeline.discontinuity_sequence(timeline.windows[0]) == 0


def discontinuity_numbers(timeline: Timeline) -> dict[int, int]:
    """Each segment's Discontinuity Sequence Number: DISCONTINUITY-SEQUENCE plus tags so far."""
    window = timeline.windows[0]
    number = timeline.discontinuity_sequence(window)
    numbers: dict[int, int] = {}
    for place in window.entries:
        number += timeline.is_discontinuity(place.sequence)
        numbers[place.sequence] = number
    return numbers


@given(st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=12))
def test_a_segment_keeps_its_discontinuity_number_while_the_window_moves(
    lengths: list[int],
) -> None:
    timeline = Timeline()
    seen: dict[int, int] = {}
    for number, length in enumerate(lengths):
        for index in range(length):
            publish(timeline, f"s{number}", index)
            for sequence, discontinuity in discontinuity_numbers(timeline).items():
                assert seen.setdefault(sequence, discontinuity) == discontinuity


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 200), st.integers(0, 2)),
        max_size=80,
    )
)
def test_in_any_order_each_window_is_contiguous_and_bounded(
    arrivals: list[tuple[str, int, int]],
) -> None:
    timeline = Timeline()
    newest: dict[int, int] = {}
    for stream, index, variant in arrivals:
        sequence = assign_sequence(timeline, stream, index)
        if not timeline.is_due(variant, sequence):
            continue
        timeline.append(entry(timeline, sequence, stream=stream, index=index, variant=variant), NOW)
        for number, window in timeline.windows.items():
            numbers = [place.sequence for place in window.entries]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert len(numbers) <= WINDOW_SEGMENTS
            assert numbers[-1] >= newest.get(number, 0)
            newest[number] = numbers[-1]


def test_the_timeline_survives_its_file_format() -> None:
    timeline = Timeline()
    for index in range(70):
        publish(timeline, "a", index)
    restored = msgspec.json.decode(msgspec.json.encode(timeline), type=Timeline)
    assert restored == timeline
    assert publish(restored, "a", 70) == 70


def test_a_variant_that_stops_gets_gaps_and_is_removed_after_a_window() -> None:
    timeline = Timeline()
    publish(timeline, "a", 0, variant=0)
    publish(timeline, "a", 0, variant=1)
    for index in range(1, 10):
        publish(timeline, "a", index, variant=0)
    stopped = timeline.windows[1].entries
    assert [e.sequence for e in stopped] == list(range(6))
    assert [e.descriptor is None for e in stopped] == [False] + [True] * 5
    for index in range(10, WINDOW_SEGMENTS + 5):
        publish(timeline, "a", index, variant=0)
    assert list(timeline.windows) == [0]


def test_after_the_end_a_new_stream_starts_new_playlists_with_higher_sequences() -> None:
    timeline = Timeline()
    for index in range(3):
        publish(timeline, "a", index)
    timeline.end()
    assert publish(timeline, "b", 0) == 3
    assert not timeline.ended
    assert [e.sequence for e in timeline.windows[0].entries] == [3]
    assert timeline.is_discontinuity(3)
    assert timeline.discontinuity_sequence(timeline.windows[0]) == 0
    assert [expired.key for expired in timeline.expired] == [
        f"live/0/stream-a-{index}.ts" for index in range(3)
    ]


def test_objects_outlive_the_window_by_a_playlist_and_a_minute() -> None:
    timeline = Timeline()
    for index in range(WINDOW_SEGMENTS + 2):
        publish(timeline, "a", index)
    expired = ["live/0/stream-a-0.ts", "live/0/stream-a-1.ts"]
    assert timeline.expired_keys(NOW + 60 * 4 + 59) == []
    assert timeline.expired_keys(NOW + 60 * 4 + 60) == expired
    timeline.forget_deleted(expired[:1])
    assert timeline.expired_keys(NOW + 1000) == expired[1:]


def test_an_entry_published_without_the_store_is_marked_stored_later() -> None:
    timeline = Timeline()
    sequence = assign_sequence(timeline, "a", 0)
    place = entry(timeline, sequence)
    timeline.append(msgspec.structs.replace(place, stored=False), NOW)
    assert not timeline.windows[0].entries[0].stored
    timeline.mark_stored(0, "stream-a-0.ts")
    assert timeline.windows[0].entries == [place]


def test_the_file_keeps_its_keys() -> None:
    """A station's state outlives an update: these names are a file format."""
    timeline = Timeline()
    sequence = assign_sequence(timeline, "a", 0)
    timeline.append(msgspec.structs.replace(entry(timeline, sequence), init_name="init.mp4"), NOW)
    document = msgspec.to_builtins(timeline, str_keys=True)
    assert set(document) == {
        *("target_duration", "next_sequence", "next_discontinuity", "published", "ended"),
        *("streams", "renditions", "expired"),
    }
    assert document["streams"] == [{"stream": "a", "base": 0, "start": 0, "discontinuities": 0}]
    [published] = document["renditions"]["0"]["entries"]
    assert set(published) == {"sequence", "duration", "descriptor", "map_name", "stored"}


def forgotten_stream() -> Timeline:
    """A timeline that has moved on from stream a by more than a window."""
    timeline = Timeline()
    publish(timeline, "a", 0)
    for index in range(WINDOW_SEGMENTS + 1):
        publish(timeline, "b", index)
    return timeline


def test_a_question_changes_nothing_and_does_not_open_a_forgotten_stream() -> None:
    timeline = forgotten_stream()
    before = msgspec.json.encode(timeline)
    version = timeline.version
    assert timeline.sequence_of("a", 1) is None
    assert timeline.sequence_of("b", 0) == 1
    timeline.is_due(0, 5)
    timeline.is_discontinuity(5)
    timeline.discontinuity_sequence(timeline.windows[0])
    timeline.descriptors()
    timeline.expired_keys(NOW)
    timeline.mark_stored(0, "stream-a-0.ts")  # it has left the window: nothing to change either
    assert msgspec.json.encode(timeline) == before
    assert timeline.version == version
    assert timeline.newest_stream == "b"
    with pytest.raises(ValueError, match="not open"):
        timeline.assign("a", 1)


def test_the_version_rises_with_what_viewers_can_see_and_is_not_saved() -> None:
    timeline = Timeline()
    timeline.open_stream("a", 0)
    sequence = timeline.assign("a", 0)
    assert timeline.version == 0
    place = msgspec.structs.replace(entry(timeline, sequence), stored=False)
    versions = [timeline.version]
    for change in (
        lambda: timeline.append(place, NOW),
        lambda: timeline.mark_stored(0, "stream-a-0.ts"),
        timeline.end,
    ):
        change()
        versions.append(timeline.version)
    assert versions == [0, 1, 2, 3]
    timeline.mark_stored(0, "stream-a-0.ts")  # it is already
    assert timeline.version == 3
    assert msgspec.json.decode(msgspec.json.encode(timeline), type=Timeline).version == 0


def test_an_object_that_was_given_up_is_kept_when_its_segment_is_published_after_all() -> None:
    timeline = Timeline()
    timeline.expire_now(0, "stream-a-0.ts")
    timeline.expire_now(0, "stream-a-1.ts")
    publish(timeline, "a", 0)
    assert timeline.expired_keys(NOW) == ["live/0/stream-a-1.ts"]


def test_another_variant_gets_gaps_only_when_it_is_late_by_more_than_three_segments() -> None:
    timeline = Timeline()
    for variant in (0, 1):
        publish(timeline, "a", 0, variant)
    for index in range(1, LATE_SEGMENTS + 2):
        publish(timeline, "a", index, variant=0)
    assert len(timeline.windows[1].entries) == 1
    publish(timeline, "a", LATE_SEGMENTS + 2, variant=0)
    assert [e.descriptor is None for e in timeline.windows[1].entries] == [False, True]


def test_a_variant_that_owncast_no_longer_lists_goes_with_its_stream() -> None:
    timeline = Timeline()
    for variant in (0, 1):
        publish(timeline, "a", 0, variant)

    def publish_one(stream: str, index: int) -> list[TimelineEntry]:
        sequence = assign_sequence(timeline, stream, index)
        place = entry(timeline, sequence, stream=stream, index=index)
        return timeline.append(place, NOW, listed={0})

    assert publish_one("a", 1) == []
    assert set(timeline.windows) == {0, 1}
    [removed] = publish_one("b", 0)
    assert removed.descriptor is not None
    assert removed.descriptor.variant == 1
    assert set(timeline.windows) == {0}

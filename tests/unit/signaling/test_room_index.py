"""The index of rooms, compared with a search of all rooms; the timer queue, with sorting."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.signaling.rooms.room_index import Occupancy, RoomIndex
from shoal.signaling.rooms.timer_queue import TimerQueue

RENDITIONS = 3
CONTENTS = st.dictionaries(
    st.integers(0, RENDITIONS - 1), st.integers(1, 9), min_size=1, max_size=RENDITIONS
).map(lambda playing: Occupancy(sum(playing.values()), playing))
CHANGES = st.lists(st.tuples(st.sampled_from("abcdef"), CONTENTS | st.none()), max_size=30)


@given(
    CHANGES,
    st.integers(0, RENDITIONS),
    st.integers(0, 30),
    st.integers(0, 9),
    st.sampled_from("aB"),
)
def test_the_index_finds_what_a_search_would_find(
    changes: list[tuple[str, Occupancy | None]], variant: int, most: int, more_than: int, but: str
) -> None:
    index, rooms = RoomIndex[str](), dict[str, Occupancy]()
    for room, content in changes:
        if content is None:
            index.remove(room)
            rooms.pop(room, None)
        else:
            index.set(room, content)
            rooms[room] = content
    sizes = [content.size for content in rooms.values()]
    smallest = index.smallest()
    assert (smallest and rooms[smallest].size) == min(sizes, default=None)

    others = [c for room, c in rooms.items() if c.size <= most and room != but]
    fullest = index.fullest(most, exclude=but)
    assert (fullest and rooms[fullest].size) == max((c.size for c in others), default=None)

    keys = [(c.by_variant.get(variant, 0), c.size) for c in others]
    best = index.best(variant, most, more_than=more_than, exclude=but)
    found = best and (rooms[best].by_variant[variant], rooms[best].size)
    assert found == max((key for key in keys if key[0] > more_than), default=None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20) | st.none()), max_size=40))
def test_the_timer_queue_keeps_the_last_time_of_each(changes: list[tuple[int, int | None]]) -> None:
    table, times = TimerQueue[int](), dict[int, int]()
    for item, due in changes:
        table.set(item, due)
        times.pop(item, None)
        if due is not None:
            times[item] = due
        assert table.first == min(times.values(), default=None)
    due = [item for item, time in times.items() if time <= 10]
    popped = list(table.pop_due(10))
    assert sorted(popped) == sorted(due)
    assert [times[item] for item in popped] == sorted(times[item] for item in due)
    assert table.first == min((time for time in times.values() if time > 10), default=None)

"""Placement of viewers in rooms, and relocation."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shoal.announcements import Stream
from shoal.signaling.rooms.messages import MemberId, RosterMessage
from shoal.signaling.rooms.rebalancer import (
    BADLY_LINKED_AFTER_S,
    MIN_RELOCATION_INTERVAL_S,
    MINORITY_AFTER_S,
)
from shoal.signaling.rooms.room import MemberState, Outgoing
from shoal.signaling.rooms.rooms import (
    HARD_LIMIT,
    MERGE_AFTER_S,
    REBALANCE_INTERVAL_S,
    SOFT_LIMIT,
    Rooms,
)

ON_AIR = Stream("abc", live=True)


class Station:
    """Rooms, and each member's last roster."""

    def __init__(self) -> None:
        self.rooms = Rooms()
        self.rosters: dict[MemberId, RosterMessage] = {}
        self.now = 0.0

    def deliver(self, messages: Sequence[Outgoing]) -> None:
        for outgoing in messages:
            if isinstance(outgoing.message, RosterMessage):
                for member in outgoing.to:
                    assert outgoing.message.you == member
                    self.rosters[member] = outgoing.message

    def join(
        self, number: int, variant: int = 0, *, sharing: bool = True, address: str | None = None
    ) -> MemberId:
        member = MemberId(f"m{number:04}")
        state = MemberState(variant, sharing)
        address = address or f"10.0.0.{number}"
        self.deliver(
            self.rooms.join(member, state, address, stream=ON_AIR, recent=(), now=self.now)
        )
        return member

    def leave(self, member: MemberId) -> None:
        self.rosters.pop(member, None)
        self.deliver(self.rooms.leave(member, self.now))

    def set_ready(self, member: MemberId) -> None:
        self.deliver(self.rooms.set_ready(member, self.now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.rooms.due) is not None and due <= end:
            assert due >= self.now or due == self.rooms.due
            self.now = max(self.now, due)
            self.deliver(self.rooms.tick(self.now))
        self.now = end
        self.deliver(self.rooms.tick(self.now))


def test_a_room_fills_before_another_opens_and_nobody_is_alone() -> None:
    station = Station()
    for number in range(SOFT_LIMIT):
        station.join(number)
    assert station.rooms.sizes == (SOFT_LIMIT,)
    station.join(100)
    assert station.rooms.sizes == (SOFT_LIMIT + 1,)


def test_a_room_that_is_too_large_divides_and_the_ready_stay_ready() -> None:
    station = Station()
    for number in range(HARD_LIMIT):
        station.set_ready(station.join(number, variant=number % 2))
    station.wait(1)
    assert station.rooms.sizes == (HARD_LIMIT // 2, HARD_LIMIT // 2)
    for member, room in station.rosters.items():
        assert len(room.members) == HARD_LIMIT // 2
        assert member in {line.id for line in room.members}
        assert len({line.variant for line in room.members}) == 1  # by variant
        assert all(line.ready for line in room.members if line.id != f"m{HARD_LIMIT - 1:04}")


def test_new_members_join_a_room_of_their_variant() -> None:
    station = Station()
    for number in range(HARD_LIMIT):
        station.join(number, variant=number % 2)
    for number in range(100, 104):
        member = station.join(number, variant=number % 2)
        variants = [line.variant for line in station.rosters[member].members]
        assert variants.count(number % 2) == len(variants)


def test_small_rooms_merge_after_a_while_and_relocated_members_are_not_ready() -> None:
    station = Station()
    members = [station.join(number) for number in range(HARD_LIMIT)]
    for member in members:
        station.set_ready(member)
    for member in members[:8] + members[16:26]:
        station.leave(member)
    assert sorted(station.rooms.sizes) == [6, 8]
    station.wait(MERGE_AFTER_S - 1)
    assert len(station.rooms.sizes) == 2
    station.wait(10)
    assert station.rooms.sizes == (14,)
    here = [station.rosters[member] for member in station.rosters]
    assert {len(room.members) for room in here} == {14}
    assert len({room.room for room in here}) == 1
    assert sum(line.ready for line in here[0].members) == 8


def test_rooms_that_would_be_too_large_together_stay() -> None:
    station = Station()
    members = [station.join(number) for number in range(HARD_LIMIT)]
    for member in members[:4]:
        station.leave(member)
    station.wait(10 * MERGE_AFTER_S)
    assert sorted(station.rooms.sizes) == [12, 16]


def test_viewers_that_do_not_share_disturb_nobody() -> None:
    station = Station()
    ann = station.join(1)
    told = station.rosters[ann]
    for number in range(100, 200):
        station.join(number, sharing=False)
    assert station.rooms.sizes == (1,)
    assert len(station.rooms) == 101
    station.wait(1)
    assert station.rosters[ann] is told


def test_two_addresses_must_report_a_member() -> None:
    station = Station()
    liar, *others = [station.join(number) for number in range(4)]
    twin = station.join(50, address="10.0.0.1")  # the same address as others[0]
    own = station.join(51, address="10.0.0.0")  # the same address as the reported member
    rooms = station.rooms
    assert not rooms.report_abuse(others[0], liar)
    assert not rooms.report_abuse(others[0], liar)
    assert not rooms.report_abuse(twin, liar)
    assert not rooms.report_abuse(own, liar)
    assert rooms.report_abuse(others[1], liar)
    assert not rooms.report_abuse(others[1], MemberId("nobody"))


def test_missing_links_are_sent_by_index() -> None:
    station = Station()
    ann, ben, cy = [station.join(number) for number in range(3)]
    station.deliver(station.rooms.set_unreachable(cy, [ann, MemberId("gone")], station.now))
    station.wait(1)
    room = station.rosters[ben]
    assert [line.unreachable for line in room.members] == [(), (), (0,)]
    assert msgspec.json.decode(msgspec.json.encode(room))["members"][2]["cut"] == [0]


def two_rooms(station: Station) -> tuple[list[MemberId], list[MemberId]]:
    """Fill a room until it divides, and let some leave, so that 15 and 16 stay."""
    members = [station.join(number) for number in range(HARD_LIMIT)]
    station.leave(members[0])
    station.wait(1)
    names = sorted({room.room for room in station.rosters.values()})
    one, two = ([m for m in members[1:] if station.rosters[m].room == name] for name in names)
    return one, two


def cut(station: Station, member: MemberId, others: Sequence[MemberId]) -> None:
    station.deliver(station.rooms.set_unreachable(member, others, station.now))


def test_a_badly_linked_member_relocates_at_most_once_a_minute() -> None:
    station = Station()
    one, two = two_rooms(station)
    ann, ben, *others = one
    cut(station, ann, others[:4])
    for other in others[4:8]:  # one end's word is enough
        cut(station, other, [ann, ben])
    station.wait(BADLY_LINKED_AFTER_S - 1)
    assert station.rooms.room_of(ann) == station.rooms.room_of(others[0])
    station.wait(2 * REBALANCE_INTERVAL_S + 1)
    assert station.rooms.room_of(ann) == station.rooms.room_of(two[0])
    assert station.rooms.room_of(ben) == station.rooms.room_of(others[0])
    line = next(line for line in station.rosters[ann].members if line.id == ann)
    assert (line.ready, line.unreachable) == (False, ())
    moved_at = station.now
    cut(station, ann, two)
    station.wait(MIN_RELOCATION_INTERVAL_S - 2 * REBALANCE_INTERVAL_S - 2)
    assert station.rooms.room_of(ann) == station.rooms.room_of(two[0])
    station.wait(4 * REBALANCE_INTERVAL_S)
    assert station.rooms.room_of(ann) == station.rooms.room_of(others[0])
    assert station.now - moved_at < MIN_RELOCATION_INTERVAL_S + 2 * REBALANCE_INTERVAL_S


def test_a_member_that_gets_its_links_in_time_stays() -> None:
    station = Station()
    one, _ = two_rooms(station)
    cut(station, one[0], one[1:])
    station.wait(BADLY_LINKED_AFTER_S - 2)
    cut(station, one[0], one[1:4])
    station.wait(10 * MIN_RELOCATION_INTERVAL_S)
    assert station.rooms.room_of(one[0]) == station.rooms.room_of(one[1])


def test_without_space_elsewhere_nobody_relocates() -> None:
    station = Station()
    members = [station.join(number) for number in range(4)]
    cut(station, members[0], members[1:])
    station.wait(10 * MIN_RELOCATION_INTERVAL_S)
    assert station.rooms.sizes == (4,)


def test_a_minority_relocates_together_to_a_room_of_its_variant() -> None:
    station = Station()
    one, two = two_rooms(station)
    for member in [*one[:4], *two[:9]]:
        station.deliver(station.rooms.switch_variant(member, 1, station.now))
    station.wait(MINORITY_AFTER_S - 1)
    assert sorted(station.rooms.sizes) == [15, 16]
    station.wait(2 * REBALANCE_INTERVAL_S + 1)
    assert station.rooms.sizes == (11, 20)
    assert {station.rooms.room_of(member) for member in one[:4]} == {station.rooms.room_of(two[0])}
    # seven of twenty are not a minority, nor are those on the other variant here
    station.wait(10 * MIN_RELOCATION_INTERVAL_S)
    assert station.rooms.sizes == (11, 20)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("leave"), st.integers(0, 200), st.just(False)),
        st.tuples(st.just("ready"), st.integers(0, 200), st.just(False)),
        st.tuples(st.just("switch"), st.integers(0, 200), st.booleans()),
        st.tuples(st.just("cut"), st.integers(0, 200), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 60), st.just(False)),
    ),
    max_size=150,
)


@given(EVENTS)
def test_everybody_knows_its_room_after_any_events(
    events: list[tuple[str, int, bool]],
) -> None:
    station = Station()
    here: list[MemberId] = []
    for number, (kind, value, flag) in enumerate(events):
        if kind == "join":
            here.append(station.join(number, variant=value, sharing=flag or number % 4 > 0))
        elif kind == "wait":
            station.wait(value)
        elif here:
            member = here[value % len(here)]
            if kind == "leave":
                here.remove(member)
                station.leave(member)
            elif kind == "ready":
                station.set_ready(member)
            elif kind == "cut":
                cut(station, member, here[: value if flag else 0])
            else:
                station.deliver(station.rooms.switch_variant(member, int(flag), station.now))
    station.wait(1)
    assert set(station.rosters) == set(here)
    assert len(station.rooms) == len(here)
    assert all(0 < size < HARD_LIMIT for size in station.rooms.sizes)
    for member, room in station.rosters.items():
        assert room.room == station.rooms.room_of(member)
        for line in room.members:
            assert station.rosters[line.id].room == room.room
            assert station.rosters[line.id].epoch == room.epoch
            assert station.rosters[line.id].members == room.members

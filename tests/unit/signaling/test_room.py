import itertools
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.announcements import Stream
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.rooms.messages import (
    MemberId,
    RosterEntry,
    RosterMessage,
    SegmentMessage,
    SignalMessage,
    ToViewer,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.room import ROSTER_INTERVAL_S, MemberState, Outgoing, Room
from tests.unit.signaling.make import descriptor

ANN, BEN, CY = MemberId("ann"), MemberId("ben"), MemberId("cy")
ON_AIR = Stream("abc", live=True)
OFFER = msgspec.Raw(b'{"sdp":"..."}')


def join(room: Room, member: MemberId, now: float, variant: int = 0) -> list[Outgoing]:
    return room.join(member, MemberState(variant, sharing=True), stream=ON_AIR, recent=(), now=now)


def to(member: MemberId, messages: Sequence[Outgoing]) -> list[ToViewer]:
    return [outgoing.message for outgoing in messages if member in outgoing.to]


def roster_message(you: MemberId, epoch: int, *members: RosterEntry) -> RosterMessage:
    return RosterMessage(
        room="main", plan_version=PLAN_VERSION, epoch=epoch, you=you, members=members
    )


def test_a_new_member_gets_stream_then_room_then_recent_segments() -> None:
    recent = (descriptor(3), descriptor(4))
    sent = Room("main").join(ANN, MemberState(0, sharing=True), stream=ON_AIR, recent=recent, now=0)
    assert sent == [
        Outgoing((ANN,), ON_AIR),
        Outgoing((ANN,), roster_message(ANN, 1, RosterEntry(ANN, 0, ready=False))),
        Outgoing((ANN,), SegmentMessage(1, recent[0])),
        Outgoing((ANN,), SegmentMessage(1, recent[1])),
    ]


def test_after_a_quiet_while_a_change_is_sent_at_once() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    members = (RosterEntry(ANN, 0, ready=False), RosterEntry(BEN, 1, ready=False))
    sent = join(room, BEN, now=1, variant=1)
    assert to(ANN, sent) == [roster_message(ANN, 2, *members)]
    assert to(BEN, sent) == [ON_AIR, roster_message(BEN, 2, *members)]
    assert room.due is None


def test_quick_changes_are_sent_together_when_due() -> None:
    room = Room("main")
    for member in (ANN, BEN):
        join(room, member, now=0)
    join(room, CY, now=10)
    assert room.set_ready(ANN, now=10.01) == []
    assert room.set_ready(BEN, now=10.02) == []
    assert room.due == 10 + ROSTER_INTERVAL_S
    assert room.tick(10.2) == []
    sent = room.tick(10.25)
    assert [outgoing.to for outgoing in sent] == [(ANN,), (BEN,), (CY,)]
    assert to(CY, sent) == [
        roster_message(
            CY,
            5,
            RosterEntry(ANN, 0, ready=True),
            RosterEntry(BEN, 0, ready=True),
            RosterEntry(CY, 0, False),
        )
    ]
    assert room.due is None


def test_a_segment_does_not_wait_for_the_roster_but_comes_after_it() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    join(room, BEN, now=1)
    room.set_ready(ANN, now=1.01)
    sent = room.publish(descriptor(7), now=1.02)
    assert [type(message) for message in to(ANN, sent)] == [RosterMessage, SegmentMessage]
    assert sent[-1] == Outgoing((ANN, BEN), SegmentMessage(3, descriptor(7)))


def test_a_switch_of_variant_changes_the_roster() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    assert room.switch_variant(ANN, 0, now=1) == []
    assert room.switch_variant(ANN, 1, now=2) == [
        Outgoing((ANN,), roster_message(ANN, 2, RosterEntry(ANN, 1, ready=False)))
    ]


def test_a_member_that_does_not_share_gets_everything_and_is_in_no_roster() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    sent = room.join(BEN, MemberState(0, sharing=False), stream=ON_AIR, recent=(), now=1)
    assert to(BEN, sent) == [ON_AIR, roster_message(BEN, 1, RosterEntry(ANN, 0, ready=False))]
    assert to(ANN, sent) == []
    assert room.set_ready(BEN, now=2) == []
    assert len(room) == 2
    announced = room.publish(descriptor(1), now=3)
    assert to(BEN, announced) == [SegmentMessage(1, descriptor(1))]


def test_ready_and_leave_count_once() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    join(room, BEN, now=1)
    assert room.set_ready(ANN, now=2) != []
    assert room.set_ready(ANN, now=3) == []
    assert room.leave(BEN, now=4) != []
    assert room.leave(BEN, now=5) == []
    assert room.set_ready(BEN, now=6) == []
    assert room.epoch == 4


def test_an_empty_room_sends_nothing() -> None:
    room = Room("main")
    join(room, ANN, now=0)
    assert room.leave(ANN, now=0.1) == []
    assert room.due is None
    assert room.publish(descriptor(1), now=1) == []
    assert room.set_stream(ON_AIR) == []


def test_signals_go_to_the_named_member_only() -> None:
    room = Room("main")
    for member in (ANN, BEN, CY):
        join(room, member, now=0)
    assert room.forward_signal(ANN, BEN, OFFER) == [Outgoing((BEN,), SignalMessage(ANN, OFFER))]


@pytest.mark.parametrize(
    ("sender", "receiver"), [(ANN, CY), (CY, ANN), (ANN, ANN)], ids=["to", "from", "self"]
)
def test_no_signal_leaves_its_room(sender: MemberId, receiver: MemberId) -> None:
    room = Room("main")
    join(room, ANN, now=0)
    assert room.forward_signal(sender, receiver, OFFER) == []


MEMBERS = st.integers(0, 7).map(lambda number: MemberId(f"m{number}"))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), MEMBERS),
        st.tuples(st.just("leave"), MEMBERS),
        st.tuples(st.just("ready"), MEMBERS),
        st.tuples(st.just("segment"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.24, 0.25, 3.0])),
    ),
    max_size=60,
)


@given(EVENTS)
def test_every_member_can_plan_after_any_events(events: list[tuple[str, object]]) -> None:
    room, programme = Room("main"), BroadcastState()
    inbox: dict[MemberId, list[ToViewer]] = {}
    all_rooms: dict[int, tuple[RosterEntry, ...]] = {}
    rooms_at: dict[MemberId, list[float]] = defaultdict(list)
    now = 0.0

    def deliver(messages: list[Outgoing], *, forced: bool = False) -> None:
        for outgoing in messages:
            for member in outgoing.to:
                inbox[member].append(outgoing.message)  # KeyError: sent to a member that has left
                if isinstance(outgoing.message, RosterMessage) and not forced:
                    rooms_at[member].append(now)

    for kind, value in events:
        match kind, value:
            case "join", str(name):
                member = MemberId(name)
                if member not in room:
                    inbox[member] = []
                    rooms_at[member] = []
                recent = programme.recent(0)
                deliver(
                    room.join(
                        member, MemberState(0, sharing=True), stream=ON_AIR, recent=recent, now=now
                    )
                )
            case "leave", str(name):
                member = MemberId(name)
                gone = inbox.pop(member, [])
                check(gone, member, all_rooms)
                deliver(room.leave(member, now))
            case "ready", str(name):
                deliver(room.set_ready(MemberId(name), now))
            case "segment", int(sequence):
                if programme.publish(descriptor(sequence)):
                    deliver(room.publish(descriptor(sequence), now), forced=True)
            case "wait", float(seconds):
                end = now + seconds
                while (due := room.due) is not None and due <= end:
                    now = max(now, due)
                    deliver(room.tick(now))
                now = end
            case _:
                raise AssertionError(kind)
    if (due := room.due) is not None:
        now = max(now, due)
        deliver(room.tick(now))

    assert room.due is None
    for member, messages in inbox.items():
        check(messages, member, all_rooms)
        assert [m for m in messages if isinstance(m, RosterMessage)][-1].epoch == room.epoch
        times = rooms_at[member][1:]  # the first answers the join
        assert all(b - a >= ROSTER_INTERVAL_S - 1e-9 for a, b in itertools.pairwise(times))


def check(
    messages: list[ToViewer], you: MemberId, all_rooms: dict[int, tuple[RosterEntry, ...]]
) -> None:
    epochs: list[int] = []
    sequences: list[int] = []
    for message in messages:
        if isinstance(message, RosterMessage):
            assert message.you == you
            assert you in [line.id for line in message.members]
            assert all_rooms.setdefault(message.epoch, message.members) == message.members
            epochs.append(message.epoch)
        elif isinstance(message, SegmentMessage):
            assert message.epoch == epochs[-1]
            sequences.append(message.descriptor.sequence)
    assert epochs == sorted(set(epochs))
    assert sequences == sorted(set(sequences))
    assert not messages or [type(message) for message in messages[:2]] == [Stream, RosterMessage]

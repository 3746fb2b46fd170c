"""Rooms as operators see them."""

from shoal.announcements import Stream
from shoal.api_types import BytesBySource, RoomSize, RoomTopology, ViewerSummary
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.rooms.messages import MemberId
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.rooms.rooms import SOFT_LIMIT, Rooms
from shoal.signaling.rooms.topology import rooms_view
from tests.unit.signaling.make import descriptor

ON_AIR = Stream("abc", live=True)
ANN, BEN, CY, DAN = (MemberId(name) for name in ("ann", "ben", "cy", "dan"))


def join(rooms: Rooms, *members: MemberId, variant: int = 0, ready: bool = True) -> None:
    for member in members:
        state = MemberState(variant, sharing=True)
        rooms.join(member, state, f"at {member}", stream=ON_AIR, recent=(), now=0)
        if ready:
            rooms.set_ready(member, 0)


def broadcast(*variants: int, pieces: int = 12) -> BroadcastState:
    state = BroadcastState()
    for variant in variants:
        state.publish(descriptor(1, variant, size=pieces * 16_384))
    return state


def picture(rooms: Rooms, state: BroadcastState) -> RoomTopology:
    shown = rooms_view(rooms, state, {}, None).picture
    assert shown is not None
    return shown


def pushed(shown: RoomTopology) -> dict[tuple[str, str], int]:
    ids = [member.id for member in shown.members]
    return {(ids[push.sender], ids[push.receiver]): push.pieces for push in shown.pushes}


def test_everybody_pushes_its_slice_to_everybody_and_the_room_takes_one_copy() -> None:
    rooms = Rooms()
    join(rooms, ANN, BEN, CY)
    shown = picture(rooms, broadcast(0))
    assert shown.pieces == {0: 12}
    assert shown.from_store == {0: 4, 1: 4, 2: 4}
    assert pushed(shown) == {
        (one, other): 4 for one in (ANN, BEN, CY) for other in (ANN, BEN, CY) if one != other
    }


def test_a_new_member_only_receives_and_a_lone_member_fetches_everything() -> None:
    rooms = Rooms()
    join(rooms, ANN, BEN)
    join(rooms, CY, ready=False)
    shown = picture(rooms, broadcast(0))
    assert [member.ready for member in shown.members] == [True, True, False]
    assert {pair for pair, _ in pushed(shown).items() if pair[0] == CY} == set()
    assert pushed(shown)[ANN, CY] == 6
    rooms.leave(ANN, 0)
    rooms.leave(BEN, 0)
    alone = picture(rooms, broadcast(0))
    assert (alone.from_store, alone.pushes) == ({0: 12}, [])


def test_each_variant_has_its_own_plan() -> None:
    rooms = Rooms()
    join(rooms, ANN, BEN)
    join(rooms, CY, DAN, variant=1)
    shown = picture(rooms, broadcast(0, 1))
    assert set(pushed(shown)) == {(ANN, BEN), (BEN, ANN), (CY, DAN), (DAN, CY)}
    assert sum(shown.from_store.values()) == 2 * 12


def test_a_missing_link_is_bridged_by_a_relay_if_there_is_one() -> None:
    rooms = Rooms()
    join(rooms, ANN, BEN, CY)
    rooms.set_unreachable(ANN, [BEN], 0)
    shown = picture(rooms, broadcast(0))
    assert shown.members[0].cut == (1,)
    assert pushed(shown) == {(CY, ANN): 8, (CY, BEN): 8, (ANN, CY): 4, (BEN, CY): 4}
    rooms.set_unreachable(ANN, [BEN, CY], 0)
    assert not [pair for pair in pushed(picture(rooms, broadcast(0))) if ANN in pair]


def test_rooms_are_listed_by_size_with_the_topology_of_one() -> None:
    rooms = Rooms(iter(["small", "large"]).__next__)
    join(rooms, ANN, ready=False)
    moved = {MemberId(f"m{n}"): MemberState(0, sharing=True) for n in range(SOFT_LIMIT)}
    rooms.join_together(moved, dict.fromkeys(moved, "there"), broadcast(), 0)
    not_sharing = MemberState(0, sharing=False)
    rooms.join(DAN, not_sharing, "at dan", stream=ON_AIR, recent=(), now=0)
    summary = ViewerSummary(
        id="ann",
        since=1,
        variant=0,
        sharing=True,
        bytes=BytesBySource(),
        startup=BytesBySource(),
        uploaded=0,
        links=3,
        stalls=0,
        latency_s=9.0,
    )
    view = rooms_view(rooms, BroadcastState(), {"ann": summary}, "small")
    assert view.rooms == [
        RoomSize(room="large", members=SOFT_LIMIT, ready=0),
        RoomSize(room="small", members=1, ready=0),
    ]
    assert view.apart == 1
    assert view.picture is not None
    assert (view.picture.room, view.picture.pieces) == ("small", {})
    assert [member.figures for member in view.picture.members] == [summary]
    gone = rooms_view(rooms, BroadcastState(), {}, "gone").picture
    assert gone is not None
    assert gone.room == "large"
    assert rooms_view(Rooms(), BroadcastState(), {}, None).picture is None

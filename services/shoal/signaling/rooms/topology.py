"""Rooms as operators see them: their members, and who pushes to whom. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence

from shoal.api_types import Push, RoomMember, RoomSize, RoomsView, RoomTopology, ViewerSummary
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.rooms.plan import (
    PlanMember,
    are_unlinked,
    piece_count,
    plan,
    relay,
    shared_pieces,
)
from shoal.signaling.rooms.room import Room
from shoal.signaling.rooms.rooms import Rooms


def rooms_view(
    rooms: Rooms,
    broadcast: BroadcastState,
    viewer_stats: Mapping[str, ViewerSummary],
    room: str | None,
) -> RoomsView:
    """Return a summary of all rooms, and the topology of `room`, by default the largest.

    `viewer_stats` are the viewers' last stats, by id.
    """
    by_size = sorted(rooms.sharing_rooms, key=len, reverse=True)
    named = (room_ for room_ in by_size if room_.name == room)
    shown = next(named, None) or next(iter(by_size), None)
    return RoomsView(
        rooms=[
            RoomSize(
                room=roster.name,
                members=len(roster),
                ready=sum(roster.member_state(member).ready for member in roster.members),
            )
            for roster in by_size
        ],
        apart=rooms.not_sharing,
        picture=None if shown is None else room_topology(shown, broadcast, viewer_stats),
    )


def room_topology(
    room: Room, broadcast: BroadcastState, viewer_stats: Mapping[str, ViewerSummary]
) -> RoomTopology:
    """Return one room, with the plan for the newest segment of each variant played in it."""
    states = {member: room.member_state(member) for member in room.members}
    positions = {str(member): position for position, member in enumerate(states)}
    planned = _PlannedPieces(positions)
    pieces: dict[int, int] = {}
    for variant in sorted({state.variant for state in states.values()}):
        on_variant = [
            PlanMember(member, state.weight, state.unreachable)
            for member, state in states.items()
            if state.variant == variant
        ]
        for newest in broadcast.recent(variant)[-1:]:
            pieces[variant] = piece_count(newest.size, newest.piece_size)
            planned.add(newest, on_variant, *room.plan_input(variant))
    return RoomTopology(
        room=room.name,
        members=[
            RoomMember(
                id=member,
                variant=state.variant,
                ready=state.ready,
                weight=state.weight,
                cut=tuple(
                    sorted(positions[other] for other in state.unreachable if other in positions)
                ),
                figures=viewer_stats.get(member),
            )
            for member, state in states.items()
        ],
        pieces=pieces,
        from_store={position: count for position, count in planned.from_store.items() if count},
        pushes=[Push(*pair, count) for pair, count in sorted(planned.pushes.items())],
    )


class _PlannedPieces:
    """Pieces that members fetch and push to each other, by the plans of some segments."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        self._positions = positions
        self.from_store = Counter[int]()
        self.pushes = Counter[tuple[int, int]]()

    def add(
        self,
        segment: Descriptor,
        viewers: Sequence[PlanMember],
        plan_members: Sequence[PlanMember],
        origin_share: int,
    ) -> None:
        """Add a segment that `viewers` play; `plan_members` of these can own its slices."""
        count = piece_count(segment.size, segment.piece_size)
        slices = plan(
            plan_members, segment.sequence, segment.size, segment.piece_size, origin_share
        )
        # everybody fetches what nobody has to push
        from_store_alone = count - (shared_pieces(count, origin_share) if slices else 0)
        for member in viewers:
            self.from_store[self._positions[member.id]] += from_store_alone
        by_id = {member.id: member for member in plan_members}
        for planned_slice in slices:
            owner, size = by_id[planned_slice.owner], planned_slice.end - planned_slice.first
            self.from_store[self._positions[owner.id]] += size
            for receiver in viewers:
                relaying = relay(plan_members, segment.sequence, planned_slice, receiver)
                # if neither reaches a receiver, it gets nothing pushed, and asks the others
                if receiver.id != owner.id and (relaying or not are_unlinked(owner, receiver)):
                    pair = self._positions[relaying or owner.id], self._positions[receiver.id]
                    self.pushes[pair] += size

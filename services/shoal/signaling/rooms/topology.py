"""Rooms as an operator wants to see them: who sits there, and who pushes to whom. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence

from shoal.api_types import Push, RoomMember, RoomSize, RoomsView, RoomTopology, ViewerSummary
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.rooms.plan import Planned, is_cut, piece_count, plan, relay, shared_pieces
from shoal.signaling.rooms.room import Roster
from shoal.signaling.rooms.rooms import Rooms


def rooms_view(
    rooms: Rooms, programme: Programme, figures: Mapping[str, ViewerSummary], room: str | None
) -> RoomsView:
    """Return all rooms in short, and `room`, or else the largest, as a picture.

    `figures` are what viewers reported last, by id.
    """
    rosters = sorted(rooms.rosters, key=len, reverse=True)
    named = (roster for roster in rosters if roster.room == room)
    shown = next(named, None) or next(iter(rosters), None)
    return RoomsView(
        rooms=[
            RoomSize(
                room=roster.room,
                members=len(roster),
                ready=sum(roster.seat(member).ready for member in roster.members),
            )
            for roster in rosters
        ],
        apart=rooms.apart,
        picture=None if shown is None else room_picture(shown, programme, figures),
    )


def room_picture(
    roster: Roster, programme: Programme, figures: Mapping[str, ViewerSummary]
) -> RoomTopology:
    """Return one room, and the plan for the newest segment of each rendition that it plays."""
    seats = {member: roster.seat(member) for member in roster.members}
    places = {str(member): place for place, member in enumerate(seats)}
    shared_out = _SharedOut(places)
    pieces: dict[int, int] = {}
    for variant in sorted({seat.variant for seat in seats.values()}):
        playing = [
            Planned(member, seat.weight, seat.cut)
            for member, seat in seats.items()
            if seat.variant == variant
        ]
        for newest in programme.recent(variant)[-1:]:
            pieces[variant] = piece_count(newest.size, newest.piece_size)
            shared_out.add(newest, playing, *roster.planned(variant))
    return RoomTopology(
        room=roster.room,
        members=[
            RoomMember(
                id=member,
                variant=seat.variant,
                ready=seat.ready,
                weight=seat.weight,
                cut=tuple(sorted(places[other] for other in seat.cut if other in places)),
                figures=figures.get(member),
            )
            for member, seat in seats.items()
        ],
        pieces=pieces,
        from_store={place: count for place, count in shared_out.from_store.items() if count},
        pushes=[Push(*pair, count) for pair, count in sorted(shared_out.pushes.items())],
    )


class _SharedOut:
    """Pieces that the plans of some segments have members fetch, and push to each other."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self.from_store = Counter[int]()
        self.pushes = Counter[tuple[int, int]]()

    def add(
        self, segment: Descriptor, playing: Sequence[Planned], able: Sequence[Planned], for_all: int
    ) -> None:
        """Add a segment for those who are `playing` it; of them, `able` own its slices."""
        count = piece_count(segment.size, segment.piece_size)
        slices = plan(able, segment.sequence, segment.size, segment.piece_size, for_all)
        # what is nobody's to push everybody fetches
        unshared = count - (shared_pieces(count, for_all) if slices else 0)
        for member in playing:
            self.from_store[self._places[member.id]] += unshared
        by_id = {member.id: member for member in able}
        for part in slices:
            owner, size = by_id[part.owner], part.end - part.first
            self.from_store[self._places[owner.id]] += size
            for receiver in playing:
                between = relay(able, segment.sequence, part, receiver)
                # whom neither reaches gets none pushed: it asks the others
                if receiver.id != owner.id and (between or not is_cut(owner, receiver)):
                    pair = self._places[between or owner.id], self._places[receiver.id]
                    self.pushes[pair] += size

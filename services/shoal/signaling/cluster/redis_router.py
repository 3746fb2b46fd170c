"""Where each viewer of this node sits: in a room here, or in one of another node.

Events in, what follows out (`Sent`); no I/O. What a viewer says goes to its room's node, and what
is said there comes back. It always sits somewhere: a node that does not answer in time, that is
gone, or whose words were lost on the way, is left, and who sat there is seated here.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.cluster.effects import Frame, Sent, by_node
from shoal.signaling.cluster.messages import (
    Come,
    Comer,
    Expelled,
    Gone,
    Move,
    NodeId,
    Refused,
    Reset,
    RoomLines,
    Rostered,
    Said,
    Seating,
    Taken,
    Told,
)
from shoal.signaling.cluster.remote_members import House
from shoal.signaling.cluster.remote_rooms import Elsewhere, Place
from shoal.signaling.rooms.messages import FromViewer, MemberId, Switch, Upload
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.room import Seat

ANSWER_S = 1.0
"""for a node to seat a viewer: no viewer waits longer"""
SILENCE_LIMIT_S = 8.0
"""a node that is silent for so long is gone, with its rooms and its viewers"""


@dataclass(slots=True)
class _Viewer:
    seat: Seat
    address: str
    at: NodeId | None = None
    """the node of its room; None until it has one"""
    room: str = ""
    """its room, if that is elsewhere"""
    asked: tuple[NodeId, float] | None = None
    """the node that was asked to seat it, and until when it may answer"""


class Seats:
    """The viewers of one node, and its rooms. Times are seconds of a clock that only rises."""

    def __init__(self, own: NodeId, programme: Programme) -> None:
        """Be the node `own`, where `programme` says what newcomers are told."""
        self._own = own
        self.house = House(own, programme)
        self._elsewhere = Elsewhere()
        self._viewers: dict[MemberId, _Viewer] = {}
        self._deadlines: deque[tuple[float, MemberId]] = deque()
        self._sent = Sent()

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before something happens."""
        times = [self.house.rooms.due, self._deadlines[0][0] if self._deadlines else None]
        return min((time for time in times if time is not None), default=None)

    def place_of(self, member: MemberId) -> NodeId | None:
        """Return at which node a viewer of this one sits; None while it waits for a seat."""
        return self._viewers[member].at

    def join(self, member: MemberId, seat: Seat, address: str, now: float) -> Sent:
        """Seat a newcomer."""
        viewer = self._viewers[member] = _Viewer(seat, address)
        place = self._better_place(seat.variant) if seat.sharing else None
        if place is None:
            self._sit_here(member, viewer, now)
        else:
            self._ask(place, [member], now, moved=False)
        return self._done()

    def leave(self, member: MemberId, now: float) -> Sent:
        """Free a viewer's seat."""
        viewer = self._viewers.pop(member)
        self._get_up(member, viewer, now)
        self._ask_no_more(member, viewer)
        return self._done()

    def hear(self, member: MemberId, message: FromViewer, now: float) -> Sent:
        """Take what a viewer says."""
        viewer = self._viewers[member]
        if viewer.at == self._own:
            self.house.hear(member, message, now, self._sent)
            return self._done()
        if isinstance(message, Switch):
            viewer.seat.variant = message.variant
        elif isinstance(message, Upload):
            viewer.seat.upload = message.upload
        node = viewer.at or (viewer.asked and viewer.asked[0])
        if node is not None:
            self._say(node, Said(member, msgspec.json.encode(message)))
        return self._done()

    def segment(self, descriptor: Descriptor, now: float) -> Sent:
        """Announce a segment in all rooms of this node."""
        self.house.segment(descriptor, now, self._sent)
        return self._done()

    def stream(self, on_air: Stream) -> Sent:
        """Tell all rooms of this node what is on air."""
        self.house.stream(on_air, self._sent)
        return self._done()

    def tick(self, now: float) -> Sent:
        """Do what is due."""
        self.house.tick(now, self._sent)
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, member = self._deadlines.popleft()
            viewer = self._viewers.get(member)
            if viewer is not None and viewer.asked is not None and viewer.asked[1] == deadline:
                self._elsewhere.silent(viewer.asked[0])
                self._ask_no_more(member, viewer)
                if viewer.at is None:
                    self._sit_here(member, viewer, now)
        self._wish_elsewhere(now)
        return self._done()

    def hear_node(self, node: NodeId, messages: Sequence[Seating], now: float) -> Sent:
        """Take what another node says; also when it says nothing of seats."""
        self._elsewhere.heard(node, now)
        for message in messages:
            self._take(node, message, now)
        return self._done()

    def lost(self, node: NodeId, now: float) -> Sent:
        """Begin anew with a node: something that it said to us did not arrive."""
        self._say(node, Reset())
        self._part(node, now)
        return self._done()

    def expire(self, now: float) -> Sent:
        """Forget the nodes that are silent."""
        for node in self._elsewhere.unheard(now - SILENCE_LIMIT_S):
            self._elsewhere.forget(node)
            self._say(node, Reset())
            self._part(node, now)
        return self._done()

    def _take(self, node: NodeId, message: Seating, now: float) -> None:
        match message:
            case Come() | Said() | Gone():
                self.house.take(node, message, now, self._sent)
            case RoomLines(version, lines, replace):
                if version == PLAN_VERSION:
                    self._elsewhere.take(node, lines, replace=replace)
            case Taken(members):
                self._taken(node, members, now)
            case Refused(members):
                self._refused(node, members, now)
            case Told(to, frame, relayed):
                here = tuple(self._sitting(node, to))
                self._sent.frames.append(Frame(here, frame, relayed))
            case Rostered(room, to, frame):
                self._rostered(room, self._sitting(node, to), frame)
            case Expelled(member):
                self._sent.expelled += self._sitting(node, [member])
            case Move(members, to, room, limit):
                self._send_on(self._sitting(node, members), Place(to, room, limit), now)
            case Reset():
                self._part(node, now)

    def _rostered(self, room: str, members: Sequence[MemberId], frame: bytes) -> None:
        for member in members:
            self._viewers[member].room = room
        self._sent.tell_roster(members, frame)

    def _sitting(self, node: NodeId, members: Collection[MemberId]) -> list[MemberId]:
        """Return those of our viewers that sit at a node."""
        return [m for m in members if m in self._viewers and self._viewers[m].at == node]

    def _better_place(self, variant: int) -> Place | None:
        rooms = self.house.rooms
        here = rooms.vacancy(variant)
        content = None if here is None else rooms.content(here)
        return self._elsewhere.for_newcomer(variant, content, rooms.rooms)

    def _ask(self, place: Place, members: Sequence[MemberId], now: float, *, moved: bool) -> None:
        """Ask a node to seat viewers; until it does they stay where they are."""
        deadline = now + ANSWER_S
        comers: list[Comer] = []
        for member in members:
            viewer = self._viewers[member]
            viewer.asked = (place.node, deadline)
            self._deadlines.append((deadline, member))
            comers.append(Comer(member, viewer.seat.variant, viewer.seat.upload, viewer.address))
        self._say(place.node, Come(comers, place.room, place.limit, moved))
        self._elsewhere.asked(place, [comer.variant for comer in comers])

    def _taken(self, node: NodeId, members: Sequence[MemberId], now: float) -> None:
        for member in members:
            viewer = self._viewers.get(member)
            if viewer is not None and viewer.asked is not None and viewer.asked[0] == node:
                self._get_up(member, viewer, now)
                viewer.seat = _like(viewer.seat)
                viewer.at, viewer.asked = node, None

    def _refused(self, node: NodeId, members: Sequence[MemberId], now: float) -> None:
        for member in members:
            viewer = self._viewers.get(member)
            if viewer is not None and viewer.asked is not None and viewer.asked[0] == node:
                viewer.asked = None
                if viewer.at is None:
                    self._sit_here(member, viewer, now)

    def _sit_here(self, member: MemberId, viewer: _Viewer, now: float) -> None:
        viewer.at = self._own
        self.house.join(member, viewer.seat, viewer.address, now, self._sent)

    def _sit_here_together(
        self, members: Sequence[MemberId], now: float, into: str | None = None
    ) -> None:
        viewers = {member: self._viewers[member] for member in members}
        for viewer in viewers.values():
            viewer.at, viewer.seat = self._own, _like(viewer.seat)
        seats = {member: viewer.seat for member, viewer in viewers.items()}
        addresses = {member: viewer.address for member, viewer in viewers.items()}
        self.house.take_in(seats, addresses, now, self._sent, into=into)

    def _get_up(self, member: MemberId, viewer: _Viewer, now: float) -> None:
        if viewer.at == self._own:
            self.house.leave(member, now, self._sent)
        elif viewer.at is not None:
            self._say(viewer.at, Gone([member]))

    def _ask_no_more(self, member: MemberId, viewer: _Viewer) -> None:
        if viewer.asked is not None:
            self._say(viewer.asked[0], Gone([member]))
            viewer.asked = None

    def _part(self, node: NodeId, now: float) -> None:
        """Give up all that we have with a node."""
        self.house.free(node, now, self._sent)
        rooms: dict[str, list[MemberId]] = {}
        for member, viewer in self._viewers.items():
            if viewer.asked is not None and viewer.asked[0] == node:
                self._ask_no_more(member, viewer)
                if viewer.at is None:
                    rooms.setdefault("", []).append(member)
            if viewer.at == node:
                self._ask_no_more(member, viewer)
                self._say(node, Gone([member]))
                rooms.setdefault(viewer.room, []).append(member)
        for member in rooms.pop("", ()):  # newcomers that have not been told of a room
            viewer = self._viewers[member]
            viewer.seat = _like(viewer.seat)
            self._sit_here(member, viewer, now)
        for members in rooms.values():
            self._sit_here_together(members, now)

    def _wish_elsewhere(self, now: float) -> None:
        """Send members whose wish no room here can grant to other nodes."""
        for wish in self.house.rooms.unmet():
            place = self._elsewhere.for_wish(wish)
            if place is None:
                continue
            self.house.moving_out(wish, now)
            nodes = by_node(wish.members, self.house.node_of)
            for node, members in nodes.items():
                if node is None:
                    self._send_on(members, place, now)
                else:
                    self._say(node, Move(members, place.node, place.room, place.limit))

    def _send_on(self, members: Sequence[MemberId], place: Place, now: float) -> None:
        """Move viewers of ours to a better place, if they get seats there."""
        members = [member for member in members if self._viewers[member].asked is None]
        if not members:
            return
        if place.node != self._own:
            if place.node in self._elsewhere:
                self._ask(place, members, now, moved=True)
        elif self.house.fits(place.room, len(members), place.limit, now):
            for member in members:
                self._get_up(member, self._viewers[member], now)
            self._sit_here_together(members, now, place.room)

    def _say(self, node: NodeId, message: Seating) -> None:
        self._sent.nodes.append((node, message))

    def _done(self) -> Sent:
        sent, self._sent = self._sent, Sent()
        return sent


def _like(seat: Seat) -> Seat:
    """Return a seat for the same viewer in another room."""
    return Seat(seat.variant, seat.sharing, seat.upload)

"""The rooms of this node, and who sits in them: viewers of this node, and guests from others.

Plain. What follows from an event goes into a `Sent`.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.cluster.effects import Sent
from shoal.signaling.cluster.messages import (
    Come,
    Expelled,
    Gone,
    NodeId,
    Refused,
    RoomLine,
    RoomLines,
    Said,
    Taken,
)
from shoal.signaling.rooms.messages import (
    FromViewer,
    Links,
    MemberId,
    Ready,
    Report,
    Signal,
    Stats,
    Switch,
    Upload,
    decode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION
from shoal.signaling.rooms.rebalancer import Wish
from shoal.signaling.rooms.room import Outgoing, Seat
from shoal.signaling.rooms.rooms import LOOK_S, MERGE_LIMIT, Rooms


class House:
    """Rooms with guests. Times are seconds of a clock that only rises."""

    def __init__(self, own: NodeId, programme: Programme) -> None:
        """Be the rooms of the node `own`, where `programme` says what newcomers are told."""
        numbers = itertools.count(1)
        self.rooms = Rooms(lambda: f"{own}-{next(numbers)}")
        self._programme = programme
        self._guests: dict[MemberId, NodeId] = {}
        self._leaving: dict[str, float] = {}
        """rooms whose members were sent elsewhere, and when"""
        self._untold: dict[str, None] = {}
        """rooms that have changed since other nodes were told, if there are any to tell"""

    def join(
        self,
        member: MemberId,
        seat: Seat,
        address: str,
        now: float,
        sent: Sent,
        *,
        into: str | None = None,
    ) -> None:
        """Seat a newcomer."""
        on_air, recent = self._programme.on_air, self._programme.recent(seat.variant)
        self._post(
            self.rooms.join(
                member, seat, address, on_air=on_air, recent=recent, now=now, into=into
            ),
            sent,
        )

    def take_in(
        self,
        seats: Mapping[MemberId, Seat],
        addresses: Mapping[MemberId, str],
        now: float,
        sent: Sent,
        *,
        into: str | None = None,
    ) -> None:
        """Seat members that come from a room elsewhere."""
        self._post(self.rooms.take_in(seats, addresses, self._programme, now, into), sent)

    def leave(self, member: MemberId, now: float, sent: Sent) -> None:
        """Free a seat."""
        self._guests.pop(member, None)
        self._post(self.rooms.leave(member, now), sent)

    def hear(self, member: MemberId, message: FromViewer, now: float, sent: Sent) -> None:
        """Take what a member says."""
        rooms = self.rooms
        match message:
            case Signal(to, data):
                self._post(rooms.signal(member, to, data), sent, relayed=True)
            case Switch(variant):
                self._post(rooms.switch(member, variant, now), sent)
            case Upload(upload):
                self._post(rooms.upload(member, now, upload=upload), sent)
            case Links(cut):
                self._post(rooms.links(member, cut, now), sent)
            case Ready():
                self._post(rooms.ready(member, now), sent)
            case Stats(uplink_bps=float(bps)):
                rooms.uplink(member, bps, now)
            case Report(about) if rooms.report(member, about):
                node = self._guests.get(about)
                if node is None:
                    sent.expelled.append(about)
                else:
                    sent.nodes.append((node, Expelled(about)))
            case _:
                pass

    def take(self, node: NodeId, message: Come | Said | Gone, now: float, sent: Sent) -> None:
        """Take what the node of guests says."""
        match message:
            case Come():
                self._come(node, message, now, sent)
            case Said(member, frame):
                said = decode(frame)
                if said is not None and self._guests.get(member) == node:
                    self.hear(member, said, now, sent)
            case Gone(members):
                self._gone(node, members, now, sent)

    def _come(self, node: NodeId, come: Come, now: float, sent: Sent) -> None:
        members = [comer.member for comer in come.comers]
        room = self._place(come, now)
        if room is None:
            sent.nodes.append((node, Refused(members)))
            return
        for member in members:
            self.leave(member, now, sent)  # if we think that it sits here, it does no more
        self._guests.update(dict.fromkeys(members, node))
        sent.nodes.append((node, Taken(members)))
        seats = {c.member: Seat(c.variant, sharing=True, upload=c.upload) for c in come.comers}
        addresses = {comer.member: comer.address for comer in come.comers}
        if come.moved:
            self.take_in(seats, addresses, now, sent, into=room)
        else:
            for member, seat in seats.items():
                self.join(member, seat, addresses[member], now, sent, into=room)

    def _gone(self, node: NodeId, members: Sequence[MemberId], now: float, sent: Sent) -> None:
        for member in members:
            if self._guests.get(member) == node:
                self.leave(member, now, sent)

    def free(self, node: NodeId, now: float, sent: Sent) -> None:
        """Free the seats of all guests from a node."""
        self._gone(node, [m for m, n in self._guests.items() if n == node], now, sent)

    def fits(self, room: str, count: int, limit: int, now: float) -> bool:
        """Say whether so many may come together into a room."""
        content = self.rooms.content(room)
        if content is None or content.size + count > limit:
            return False
        if limit > MERGE_LIMIT:
            return True
        return self.rooms.may_merge(room, now) and not self._is_leaving(room, now)

    def node_of(self, member: MemberId) -> NodeId | None:
        """Return the node of a guest; None for our own viewers."""
        return self._guests.get(member)

    def moving_out(self, wish: Wish, now: float) -> None:
        """Note that members were sent elsewhere: nobody else may come to stay with them."""
        if wish.limit == MERGE_LIMIT:
            self._leaving = {r: at for r, at in self._leaving.items() if self._is_leaving(r, now)}
            self._leaving[wish.room] = now

    def tell(self, on_change: Callable[[], None]) -> None:
        """Let other nodes know of the rooms here: `on_change` when there is something to tell."""

        def changed(room: str) -> None:
            self._untold[room] = None
            on_change()

        self.rooms.on_change = changed

    def news(self) -> RoomLines:
        """Return, once, what others must be told of the rooms here."""
        lines = [self._line(room) for room in self._untold]
        self._untold.clear()
        return RoomLines(PLAN_VERSION, lines, all=False)

    def all_rooms(self) -> RoomLines:
        """Return what others must be told of the rooms here when they know nothing."""
        lines = [self._line(room) for room in self.rooms.names]
        return RoomLines(PLAN_VERSION, lines, all=True)

    def segment(self, descriptor: Descriptor, now: float, sent: Sent) -> None:
        """Announce a segment in all rooms."""
        self._post(self.rooms.segment(descriptor, now), sent)

    def stream(self, on_air: Stream, sent: Sent) -> None:
        """Tell everybody what is on air."""
        self._post(self.rooms.stream(on_air), sent)

    def tick(self, now: float, sent: Sent) -> None:
        """Do what is due."""
        self._post(self.rooms.tick(now), sent)

    def _line(self, room: str) -> RoomLine:
        content = self.rooms.content(room)
        if content is None:
            return RoomLine(room, 0, {})
        return RoomLine(room, content.size, dict(content.playing))

    def _is_leaving(self, room: str, now: float) -> bool:
        return now - self._leaving.get(room, float("-inf")) < LOOK_S

    def _place(self, come: Come, now: float) -> str | None:
        if self.fits(come.room, len(come.comers), come.limit, now):
            return come.room
        return None if come.moved else self.rooms.vacancy(come.comers[0].variant)

    def _post(self, messages: Sequence[Outgoing], sent: Sent, *, relayed: bool = False) -> None:
        sent.post(messages, self._guests.get, relayed=relayed)

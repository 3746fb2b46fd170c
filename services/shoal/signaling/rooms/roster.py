"""The roster of one room: who is in it, who is ready, and what everybody must be told in order.

Plain and synchronous: an event and the time go in, messages come out. Three things always hold:

* a member's epochs rise, and one epoch means the same roster to everybody;
* before `segment` with epoch E a member has received `room` with epoch E;
* a newcomer gets `stream`, `room` and the recent `segment`s before anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.rooms.messages import (
    Announced,
    Member,
    MemberId,
    Room,
    Signalled,
    ToViewer,
)
from shoal.signaling.rooms.plan import PLAN_VERSION

ROOM_INTERVAL_S = 0.25
"""changes of the roster are gathered this long: at most four `room`s a second"""


@dataclass(frozen=True)
class Outgoing:
    """One message for some members; the order of a list of these is the order of sending."""

    to: tuple[MemberId, ...]
    message: ToViewer


@dataclass
class _Seat:
    variant: int
    sharing: bool
    ready: bool = False
    told_epoch: int = 0
    """the epoch of the last `room` that this member was sent"""


class Roster:
    """One room. Times are seconds of any clock that does not go back."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.epoch = 0
        self._seats: dict[MemberId, _Seat] = {}
        self._told_at = float("-inf")

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._seats

    @property
    def due(self) -> float | None:
        """When `tick` must be called because a member is owed a `room`; None: nobody is."""
        if any(seat.told_epoch < self.epoch for seat in self._seats.values()):
            return self._told_at + ROOM_INTERVAL_S
        return None

    def join(
        self,
        member: MemberId,
        variant: int,
        *,
        on_air: Stream,
        recent: Sequence[Descriptor],
        now: float,
        sharing: bool = True,
    ) -> list[Outgoing]:
        """Seat a newcomer; `recent` are the last segments of its variant, oldest first.

        One that is not `sharing` is told everything, and stands in no roster.
        """
        if member in self._seats:
            return []
        self._seats[member] = _Seat(variant, sharing)
        self.epoch += 1
        welcome = [
            Outgoing((member,), on_air),
            *self._tell((member,)),
            *(Outgoing((member,), Announced(self.epoch, descriptor)) for descriptor in recent),
        ]
        return welcome + self.tick(now)

    def leave(self, member: MemberId, now: float) -> list[Outgoing]:
        """Free a member's seat."""
        if self._seats.pop(member, None) is None:
            return []
        self.epoch += 1
        return self.tick(now)

    def ready(self, member: MemberId, now: float) -> list[Outgoing]:
        """Let a member own slices from the next segment on."""
        seat = self._seats.get(member)
        if seat is None or seat.ready or not seat.sharing:
            return []
        seat.ready = True
        self.epoch += 1
        return self.tick(now)

    def switch(self, member: MemberId, variant: int, now: float) -> list[Outgoing]:
        """Note that a member plays another rendition now; it shares that one from then on."""
        seat = self._seats.get(member)
        if seat is None or seat.variant == variant:
            return []
        seat.variant = variant
        self.epoch += 1
        return self.tick(now)

    def segment(self, descriptor: Descriptor, now: float) -> list[Outgoing]:
        """Announce a segment, after the roster that its plan uses."""
        if not self._seats:
            return []
        everybody = tuple(self._seats)
        return [*self._flush(now), Outgoing(everybody, Announced(self.epoch, descriptor))]

    def stream(self, on_air: Stream) -> list[Outgoing]:
        """Tell everybody what is on air."""
        return [Outgoing(tuple(self._seats), on_air)] if self._seats else []

    def signal(self, sender: MemberId, to: MemberId, data: msgspec.Raw) -> list[Outgoing]:
        """Pass `data` on between two members of this room; to anybody else it is dropped."""
        if sender == to or sender not in self._seats or to not in self._seats:
            return []
        return [Outgoing((to,), Signalled(sender, data))]

    def tick(self, now: float) -> list[Outgoing]:
        """Send the `room`s that are due."""
        due = self.due
        return self._flush(now) if due is not None and due <= now else []

    def _flush(self, now: float) -> list[Outgoing]:
        owed = tuple(member for member, seat in self._seats.items() if seat.told_epoch < self.epoch)
        if owed:
            self._told_at = now
        return self._tell(owed)

    def _tell(self, members: Sequence[MemberId]) -> list[Outgoing]:
        lines = tuple(
            Member(member, seat.variant, seat.ready)
            for member, seat in self._seats.items()
            if seat.sharing
        )
        for member in members:
            self._seats[member].told_epoch = self.epoch
        return [
            Outgoing(
                (member,),
                Room(
                    room=self.room,
                    plan_version=PLAN_VERSION,
                    epoch=self.epoch,
                    you=member,
                    members=lines,
                ),
            )
            for member in members
        ]

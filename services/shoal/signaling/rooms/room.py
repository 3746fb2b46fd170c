"""The roster of one room: who is in it, who is ready, and what everybody must be told in order.

Plain and synchronous: an event and the time go in, messages come out. Three things always hold:

* a member's epochs rise, and one epoch means the same roster to everybody;
* before `segment` with epoch E a member has received `room` with epoch E;
* a newcomer gets `stream`, `room` and the recent `segment`s before anything else.
"""

from collections.abc import Collection, Mapping, Sequence
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
from shoal.signaling.rooms.plan import FULL_WEIGHT, PLAN_VERSION, Planned
from shoal.signaling.rooms.upload_weights import shares

ROOM_INTERVAL_S = 0.25
"""changes of the roster are gathered this long: at most four `room`s a second"""
UPLINK_GOOD_S = 60.0
"""an older measurement says nothing: who was given no slice because of it gets one again"""


@dataclass(frozen=True)
class Outgoing:
    """One message for some members; the order of a list of these is the order of sending."""

    to: tuple[MemberId, ...]
    message: ToViewer


@dataclass
class Seat:
    """What the roster knows of one member."""

    variant: int
    sharing: bool
    upload: bool = True
    """whether it sends to others"""
    ready: bool = False
    cut: frozenset[MemberId] = frozenset()
    """members that it says it has no link to"""
    told_epoch: int = 0
    """the epoch of the last `room` that this member was sent"""
    share: int = FULL_WEIGHT
    """quarters of a full share that its link can carry"""
    uplink_bps: float | None = None
    """what its link carried when it was busy; None: not measured"""
    uplink_at: float = 0.0

    @property
    def weight(self) -> int:
        """Quarters of a full share."""
        return self.share if self.upload else 0

    def uplink(self, now: float) -> float | None:
        """Return what its link carries, bit/s; None while nobody knows."""
        return self.uplink_bps if now - self.uplink_at <= UPLINK_GOOD_S else None


class Roster:
    """One room. Times are seconds of any clock that does not go back."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.epoch = 0
        self._for_all: dict[int, int] = {}
        """by rendition, thirty-seconds that its links cannot carry"""
        self._seats: dict[MemberId, Seat] = {}
        self._told_at = float("-inf")

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._seats

    def playing(self, variant: int) -> int:
        """Return how many of the members share this rendition."""
        return sum(seat.sharing and seat.variant == variant for seat in self._seats.values())

    @property
    def members(self) -> tuple[MemberId, ...]:
        """Everybody here, in the order of coming."""
        return tuple(self._seats)

    def planned(self, variant: int) -> tuple[list[Planned], int]:
        """Return those who share out a rendition's segments, and `for_all`, as plans take them."""
        able = [
            Planned(member, seat.weight, seat.cut)
            for member, seat in sorted(self._seats.items())
            if seat.ready and seat.sharing and seat.variant == variant
        ]
        return able, self._part_for_all

    def seat(self, member: MemberId) -> Seat:
        """Return what is known of a member; raises KeyError."""
        return self._seats[member]

    @property
    def due(self) -> float | None:
        """When `tick` must be called because a member is owed a `room`; None: nobody is."""
        if any(seat.told_epoch < self.epoch for seat in self._seats.values()):
            return self._told_at + ROOM_INTERVAL_S
        return None

    def join(
        self,
        member: MemberId,
        seat: Seat,
        *,
        on_air: Stream,
        recent: Sequence[Descriptor],
        now: float,
    ) -> list[Outgoing]:
        """Seat a newcomer; `recent` are the last segments of its variant, oldest first.

        One that is not sharing is told everything, and stands in no roster.
        """
        if member in self._seats:
            return []
        self._sit(member, seat)
        welcome = [
            Outgoing((member,), on_air),
            *self._tell((member,)),
            *(Outgoing((member,), Announced(self.epoch, descriptor)) for descriptor in recent),
        ]
        return welcome + self.tick(now)

    def take_out(self, members: Collection[MemberId]) -> dict[MemberId, Seat]:
        """Free the seats of members that move to another room; nobody is told yet."""
        seats = {member: self._seats.pop(member) for member in members}
        self.epoch += 1
        return seats

    def take_in(self, seats: Mapping[MemberId, Seat], now: float) -> list[Outgoing]:
        """Seat members that come from another room."""
        for member, seat in seats.items():
            seat.told_epoch = 0
            self._sit(member, seat)
        return self._flush(now)

    def leave(self, member: MemberId, now: float) -> list[Outgoing]:
        """Free a member's seat."""
        seat = self._seats.pop(member, None)
        if seat is None or not seat.sharing:
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

    def upload(self, member: MemberId, now: float, *, upload: bool) -> list[Outgoing]:
        """Note whether a member sends to others."""
        seat = self._seats.get(member)
        if seat is None or seat.upload == upload:
            return []
        seat.upload = upload
        self.epoch += 1
        return self.tick(now)

    def links(self, member: MemberId, cut: Collection[MemberId], now: float) -> list[Outgoing]:
        """Note to whom a member has no link."""
        seat = self._seats.get(member)
        missing = frozenset(cut) & self._seats.keys() - {member}
        if seat is None or seat.cut == missing:
            return []
        seat.cut = missing
        self.epoch += 1
        return self.tick(now)

    def uplink(self, member: MemberId, bps: float, now: float) -> None:
        """Note what a member's link carried; the next segment's plan goes by it."""
        seat = self._seats.get(member)
        if seat is not None:
            seat.uplink_bps, seat.uplink_at = bps, now

    def segment(self, descriptor: Descriptor, now: float) -> list[Outgoing]:
        """Announce a segment, after the roster that its plan uses."""
        if not self._seats:
            return []
        self._share_out(descriptor, now)
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

    @property
    def _part_for_all(self) -> int:
        return max(self._for_all.values(), default=0)

    def _sit(self, member: MemberId, seat: Seat) -> None:
        self._seats[member] = seat
        self.epoch += seat.sharing

    def _share_out(self, descriptor: Descriptor, now: float) -> None:
        """Let each member carry what its link can of a rendition."""
        variant = descriptor.variant
        playing = [
            seat for seat in self._seats.values() if seat.sharing and seat.variant == variant
        ]
        able = [seat for seat in playing if seat.ready and seat.upload]
        rate = 8 * descriptor.size / descriptor.duration if descriptor.duration > 0 else 0.0
        now_best = shares([seat.uplink(now) for seat in able], len(playing), rate)
        before = self._for_all.get(variant, 0), tuple(seat.share for seat in able)
        if before == (now_best.for_all, now_best.weights):
            return
        self._for_all[variant] = now_best.for_all
        for seat, weight in zip(able, now_best.weights, strict=True):
            seat.share = weight
        self.epoch += 1

    def _flush(self, now: float) -> list[Outgoing]:
        owed = tuple(member for member, seat in self._seats.items() if seat.told_epoch < self.epoch)
        if owed:
            self._told_at = now
        return self._tell(owed)

    def _tell(self, members: Sequence[MemberId]) -> list[Outgoing]:
        if not members:
            return []
        seats = [(member, seat) for member, seat in self._seats.items() if seat.sharing]
        places = {member: place for place, (member, _) in enumerate(seats)}
        lines = tuple(
            Member(
                member,
                seat.variant,
                seat.ready,
                seat.weight,
                tuple(sorted(places[other] for other in seat.cut if other in places)),
            )
            for member, seat in seats
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
                    for_all=self._part_for_all,
                    members=lines,
                ),
            )
            for member in members
        ]

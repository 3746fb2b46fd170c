"""All rooms of one process: who sits where, and who must move. Events in, messages out, no I/O.

A room is a full mesh, so it is small. It takes newcomers up to SOFT_LIMIT; beyond that only while
the newcomer would be alone otherwise, and divides at HARD_LIMIT. Small rooms merge when both have
been small for a while, because a room's first copy of every segment comes from the store. Who sits
badly in a room moves to another. Viewers that do not share sit apart, in one room that nobody plans
with.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Raw

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.rooms.abuse_reports import Complaints
from shoal.signaling.rooms.messages import Announced, MemberId
from shoal.signaling.rooms.rebalancer import Moves, Wish
from shoal.signaling.rooms.room import Outgoing, Roster, Seat
from shoal.signaling.rooms.room_index import Content, Vacancies
from shoal.signaling.rooms.timer_queue import Timetable

SOFT_LIMIT = 24
HARD_LIMIT = 32
MERGE_LIMIT = 18
"""two rooms with so many members together become one"""
MERGE_AFTER_S = 30.0
LOOK_S = 5.0
"""between looks at who should move"""


class Rooms:
    """The rooms. Times are seconds of any clock that does not go back."""

    def __init__(self, new_name: Callable[[], str] | None = None) -> None:
        """Name rooms by `new_name`; by default they are numbered."""
        numbers = itertools.count(1)
        self._new_name = new_name or (lambda: f"room-{next(numbers)}")
        self._apart = Roster("apart")
        self._rooms: dict[str, Roster] = {}
        self._vacancies = Vacancies[str]()
        self._owing = Timetable[Roster]()
        """rooms whose members are owed a `room`"""
        self._where: dict[MemberId, Roster] = {}
        self._complaints = Complaints()
        self._small_since: dict[str, float] = {}
        self._moves = Moves()
        self._changed: set[Roster] = set()
        """rooms that have changed since the last look"""
        self._look_at: float | None = None
        self._unmet: list[Wish] = []
        self.on_change: Callable[[str], None] | None = None
        """told the name of a room whose content has changed"""

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._where

    @property
    def rooms(self) -> int:
        """Rooms in which viewers share."""
        return len(self._rooms)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of these rooms."""
        return tuple(self._rooms)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of these rooms."""
        return tuple(len(room) for room in self._rooms.values())

    @property
    def apart(self) -> int:
        """How many sit apart."""
        return len(self._apart)

    @property
    def rosters(self) -> tuple[Roster, ...]:
        """These rooms themselves, to be looked at."""
        return tuple(self._rooms.values())

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before something happens."""
        times = (self._owing.first, self._look_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def _all(self) -> tuple[Roster, ...]:
        return (self._apart, *self._rooms.values())

    def room_of(self, member: MemberId) -> str:
        """Return the name of a member's room."""
        return self._where[member].room

    def join(
        self,
        member: MemberId,
        seat: Seat,
        address: str,
        *,
        on_air: Stream,
        recent: Sequence[Descriptor],
        now: float,
        into: str | None = None,
    ) -> list[Outgoing]:
        """Seat a newcomer that came from `address`, in the best room or in one that is named."""
        if into is not None:
            room = self._rooms[into]
        else:
            room = self._choose(seat.variant) if seat.sharing else self._apart
        self._where[member] = room
        self._complaints.joined(member, address)
        sent = room.join(member, seat, on_air=on_air, recent=recent, now=now)
        return sent + self._settle(room, now)

    def take_in(
        self,
        seats: Mapping[MemberId, Seat],
        addresses: Mapping[MemberId, str],
        programme: Programme,
        now: float,
        into: str | None = None,
    ) -> list[Outgoing]:
        """Seat members that come from a room elsewhere in one room: their links are with them."""
        if into is not None:
            room = self._rooms[into]
        else:
            [(variant, _)] = Counter(seat.variant for seat in seats.values()).most_common(1)
            room = self._choose(variant, len(seats))
        self._where.update(dict.fromkeys(seats, room))
        self._moves.moved(seats, now)
        for member in seats:
            self._complaints.joined(member, addresses[member])
        sent = [Outgoing(tuple(seats), programme.on_air), *room.take_in(seats, now)]
        for member, seat in seats.items():
            recent = programme.recent(seat.variant)
            sent += [Outgoing((member,), Announced(room.epoch, segment)) for segment in recent]
        return sent + self._settle(room, now)

    def vacancy(self, variant: int) -> str | None:
        """Return the best room for a newcomer, if any has space."""
        most = SOFT_LIMIT - 1
        return self._vacancies.best(variant, most) or self._vacancies.fullest(most)

    def content(self, room: str) -> Content | None:
        """Return what is in a room; None without one of this name."""
        return self._vacancies[room] if room in self._rooms else None

    def may_merge(self, room: str, now: float) -> bool:
        """Say whether a room has been small for long enough."""
        return now - self._small_since.get(room, now) >= MERGE_AFTER_S

    def unmet(self) -> list[Wish]:
        """Return, once, the wishes that no room here can grant."""
        unmet, self._unmet = self._unmet, []
        return unmet

    def leave(self, member: MemberId, now: float) -> list[Outgoing]:
        """Free a member's seat."""
        room = self._where.pop(member, None)
        if room is None:
            return []
        self._complaints.left(member)
        self._moves.left(member)
        sent = room.leave(member, now)
        return sent + self._settle(room, now)

    def ready(self, member: MemberId, now: float) -> list[Outgoing]:
        """Let a member own slices from the next segment on."""
        room = self._shared(member)
        return [] if room is None else room.ready(member, now) + self._settle(room, now)

    def switch(self, member: MemberId, variant: int, now: float) -> list[Outgoing]:
        """Note that a member plays another rendition now."""
        room = self._shared(member)
        return [] if room is None else room.switch(member, variant, now) + self._settle(room, now)

    def upload(self, member: MemberId, now: float, *, upload: bool) -> list[Outgoing]:
        """Note whether a member sends to others."""
        room = self._shared(member)
        if room is None:
            return []
        return room.upload(member, now, upload=upload) + self._settle(room, now)

    def links(self, member: MemberId, cut: Collection[MemberId], now: float) -> list[Outgoing]:
        """Note to whom a member has no link."""
        room = self._shared(member)
        return [] if room is None else room.links(member, cut, now) + self._settle(room, now)

    def uplink(self, member: MemberId, bps: float, now: float) -> None:
        """Note what a member's link carried, bit/s."""
        if member in self._where:
            self._where[member].uplink(member, bps, now)

    def signal(self, sender: MemberId, to: MemberId, data: Raw) -> list[Outgoing]:
        """Pass `data` on between two members of one room."""
        room = self._shared(sender)
        return room.signal(sender, to, data) if room is not None else []

    def report(self, sender: MemberId, about: MemberId) -> bool:
        """Take a complaint about a piece with a wrong hash; say whether that is enough to expel."""
        room = self._where.get(sender)
        return room is not None and about in room and self._complaints.add(sender, about)

    def segment(self, descriptor: Descriptor, now: float) -> list[Outgoing]:
        """Announce a segment in every room, after the roster that its plan uses."""
        self._owing.clear()  # each room pays with it
        return [outgoing for room in self._all for outgoing in room.segment(descriptor, now)]

    def stream(self, on_air: Stream) -> list[Outgoing]:
        """Tell everybody what is on air."""
        return [outgoing for room in self._all for outgoing in room.stream(on_air)]

    def tick(self, now: float) -> list[Outgoing]:
        """Send the `room`s that are due, and move who should move."""
        due = self._owing.pop_due(now)
        sent = [outgoing for room in due for outgoing in room.tick(now)]
        if self._look_at is not None and self._look_at <= now:
            sent += self._look(now)
        return sent

    def _shared(self, member: MemberId) -> Roster | None:
        """Return a member's room; None for who sits apart, which changes nothing for anybody."""
        room = self._where.get(member)
        return None if room is self._apart else room

    def _choose(self, variant: int, count: int = 1) -> Roster:
        """Return a room for so many newcomers: like with like, then the fullest with space."""
        most = SOFT_LIMIT - count
        name = self._vacancies.best(variant, most) or self._vacancies.fullest(most)
        if name is None and count == 1:  # one more in the smallest beats being alone
            name = self._vacancies.smallest()
        return self._open() if name is None else self._rooms[name]

    def _open(self) -> Roster:
        room = Roster(self._new_name())
        self._rooms[room.room] = room
        return room

    def _settle(self, room: Roster, now: float) -> list[Outgoing]:
        """Take note of what has become of a room; divide it when it is too large."""
        if room is self._apart:
            return []
        sent = self._divide(room, now) if len(room) >= HARD_LIMIT else []
        name = room.room
        self._owing.put(room, room.due)
        if len(room) == 0:
            del self._rooms[name]
            self._vacancies.remove(name)
        else:
            playing = Counter(room.seat(member).variant for member in room.members)
            self._vacancies.put(name, Content(len(room), playing))
        if 0 < len(room) < MERGE_LIMIT:
            self._small_since.setdefault(name, now)
        else:
            self._small_since.pop(name, None)
        self._changed.add(room)
        if self.on_change is not None:
            self.on_change(name)
        if self._look_at is None:
            self._look_at = now + LOOK_S
        return sent

    def _divide(self, room: Roster, now: float) -> list[Outgoing]:
        """Move half of a room into a new one, by rendition; its links go with it."""
        members = sorted(room.members, key=lambda member: room.seat(member).variant)
        moving = members[len(members) // 2 :]
        other = self._open()
        seats = room.take_out(moving)
        self._where.update(dict.fromkeys(moving, other))
        return other.take_in(seats, now) + self._settle(other, now) + room.tick(now)

    def _look(self, now: float) -> list[Outgoing]:
        """Move who sits badly, and merge small rooms."""
        for room in self._changed:
            self._moves.look(room, now)
        self._changed.clear()
        self._unmet.clear()
        sent: list[Outgoing] = []
        for wish in self._moves.wishes(self._where, SOFT_LIMIT, now):
            sent += self._grant(wish, now)
        sent += self._merge(now)
        more = self._changed or self._moves.waiting or self._small_since
        self._look_at = now + LOOK_S if more else None
        return sent

    def _grant(self, wish: Wish, now: float) -> list[Outgoing]:
        """Move members to a better room, if there is one."""
        room, most = self._rooms[wish.room], wish.limit - 1
        members = [member for member in wish.members if member in room]
        if not members:
            return []
        name = self._vacancies.best(
            wish.variant, most, more_than=wish.more_than or 0, but=room.room
        )
        if name is None and wish.more_than is None:
            name = self._vacancies.fullest(most, but=room.room)
        if name is None:
            self._unmet.append(wish)
            return []
        to = self._rooms[name]
        return self._move(members[: wish.limit - len(to)], room, to, now)

    def _merge(self, now: float) -> list[Outgoing]:
        """Move the members of small rooms into others that have been small as long."""
        small = sorted(
            (
                self._rooms[name]
                for name, since in self._small_since.items()
                if now - since >= MERGE_AFTER_S
            ),
            key=len,
        )
        sent: list[Outgoing] = []
        # two by two, the smallest first
        while len(small) > 1 and len(small[0]) + len(small[1]) <= MERGE_LIMIT:
            smaller, larger, *small = small
            sent += self._move(smaller.members, smaller, larger, now)
        if small:
            one = small[0]
            variant = one.seat(one.members[0]).variant
            self._unmet.append(Wish(one.room, one.members, variant, None, MERGE_LIMIT))
        return sent

    def _move(
        self, members: Collection[MemberId], room: Roster, to: Roster, now: float
    ) -> list[Outgoing]:
        """Move members to where they have no links yet."""
        seats = room.take_out(members)
        for seat in seats.values():
            seat.ready = False  # until it has links to the others
            seat.cut = frozenset()
        self._where.update(dict.fromkeys(members, to))
        self._moves.moved(members, now)
        sent = to.take_in(seats, now) + room.tick(now)
        return sent + self._settle(room, now) + self._settle(to, now)

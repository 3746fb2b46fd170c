"""All rooms of one process: placement, division, merging, relocation. No I/O.

Events go in, messages come out. A room is a full mesh, so it is small. It accepts new members up to
SOFT_LIMIT; beyond that only if the new member would be alone otherwise, and divides at HARD_LIMIT.
Small rooms merge when both have been small for a while, because each room's first copy of a segment
comes from the store. Members that do badly in a room relocate to another. Viewers that do not share
are in a room of their own, which is in no plan.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Raw

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.rooms.abuse_reports import AbuseReports
from shoal.signaling.rooms.messages import MemberId, SegmentMessage
from shoal.signaling.rooms.rebalancer import Rebalancer, RelocationRequest
from shoal.signaling.rooms.room import MemberState, Outgoing, Room
from shoal.signaling.rooms.room_index import Occupancy, RoomIndex
from shoal.signaling.rooms.timer_queue import TimerQueue

SOFT_LIMIT = 24
HARD_LIMIT = 32
MERGE_LIMIT = 18
"""two rooms with at most this many members together merge"""
MERGE_AFTER_S = 30.0
REBALANCE_INTERVAL_S = 5.0
"""between runs of the rebalancer"""


class Rooms:
    """The rooms. Times are seconds of a monotonic clock."""

    def __init__(self, new_name: Callable[[], str] | None = None) -> None:
        """Name rooms by `new_name`; by default they are numbered."""
        numbers = itertools.count(1)
        self._new_name = new_name or (lambda: f"room-{next(numbers)}")
        self._not_sharing_room = Room("apart")
        self._rooms: dict[str, Room] = {}
        self._index = RoomIndex[str]()
        self._timers = TimerQueue[Room]()
        """rooms that must send a `room`, by time"""
        self._room_of: dict[MemberId, Room] = {}
        self._abuse_reports = AbuseReports()
        self._small_since: dict[str, float] = {}
        self._rebalancer = Rebalancer()
        self._changed_rooms: set[Room] = set()
        """rooms that have changed since the rebalancer ran"""
        self._rebalance_at: float | None = None
        self._unmet_requests: list[RelocationRequest] = []
        self.on_change: Callable[[str], None] | None = None
        """called with the name of a room whose occupancy has changed"""

    def __len__(self) -> int:
        return len(self._room_of)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._room_of

    @property
    def count(self) -> int:
        """Number of rooms in which viewers share."""
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
    def not_sharing(self) -> int:
        """Number of viewers that do not share."""
        return len(self._not_sharing_room)

    @property
    def sharing_rooms(self) -> tuple[Room, ...]:
        """The rooms in which viewers share, to be read."""
        return tuple(self._rooms.values())

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before another event."""
        times = (self._timers.first, self._rebalance_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def _all_rooms(self) -> tuple[Room, ...]:
        return (self._not_sharing_room, *self._rooms.values())

    def room_of(self, member: MemberId) -> str:
        """Return the name of a member's room."""
        return self._room_of[member].name

    def join(
        self,
        member: MemberId,
        state: MemberState,
        address: str,
        *,
        stream: Stream,
        recent: Sequence[Descriptor],
        now: float,
        into: str | None = None,
    ) -> list[Outgoing]:
        """Add a member that connected from `address` to the room `into`, or to the best one."""
        if into is not None:
            room = self._rooms[into]
        else:
            room = self._place(state.variant) if state.sharing else self._not_sharing_room
        self._room_of[member] = room
        self._abuse_reports.add_member(member, address)
        outgoing = room.join(member, state, stream=stream, recent=recent, now=now)
        return outgoing + self._after_change(room, now)

    def join_together(
        self,
        states: Mapping[MemberId, MemberState],
        addresses: Mapping[MemberId, str],
        broadcast: BroadcastState,
        now: float,
        into: str | None = None,
    ) -> list[Outgoing]:
        """Add members of a room elsewhere to one room together, so that they keep their links."""
        if into is not None:
            room = self._rooms[into]
        else:
            [(variant, _)] = Counter(state.variant for state in states.values()).most_common(1)
            room = self._place(variant, len(states))
        self._room_of.update(dict.fromkeys(states, room))
        self._rebalancer.relocated(states, now)
        for member in states:
            self._abuse_reports.add_member(member, addresses[member])
        outgoing = [Outgoing(tuple(states), broadcast.stream), *room.add_members(states, now)]
        for member, state in states.items():
            recent = broadcast.recent(state.variant)
            outgoing += [
                Outgoing((member,), SegmentMessage(room.epoch, segment)) for segment in recent
            ]
        return outgoing + self._after_change(room, now)

    def best_room(self, variant: int) -> str | None:
        """Return the best room with space for a new member, if any."""
        max_size = SOFT_LIMIT - 1
        return self._index.best(variant, max_size) or self._index.fullest(max_size)

    def occupancy(self, room: str) -> Occupancy | None:
        """Return a room's occupancy; None if there is no such room."""
        return self._index[room] if room in self._rooms else None

    def may_merge(self, room: str, now: float) -> bool:
        """Return whether a room has been small for long enough to merge."""
        return now - self._small_since.get(room, now) >= MERGE_AFTER_S

    def take_unmet_requests(self) -> list[RelocationRequest]:
        """Return, once, the relocation requests that no room here can meet."""
        requests, self._unmet_requests = self._unmet_requests, []
        return requests

    def leave(self, member: MemberId, now: float) -> list[Outgoing]:
        """Remove a member."""
        room = self._room_of.pop(member, None)
        if room is None:
            return []
        self._abuse_reports.remove_member(member)
        self._rebalancer.remove_member(member)
        outgoing = room.leave(member, now)
        return outgoing + self._after_change(room, now)

    def set_ready(self, member: MemberId, now: float) -> list[Outgoing]:
        """Let a member own slices from the next segment on."""
        room = self._sharing_room_of(member)
        return [] if room is None else room.set_ready(member, now) + self._after_change(room, now)

    def switch_variant(self, member: MemberId, variant: int, now: float) -> list[Outgoing]:
        """Note that a member plays another variant from now on."""
        room = self._sharing_room_of(member)
        return (
            []
            if room is None
            else room.switch_variant(member, variant, now) + self._after_change(room, now)
        )

    def set_unreachable(
        self, member: MemberId, unreachable: Collection[MemberId], now: float
    ) -> list[Outgoing]:
        """Note which members a member has no link to."""
        room = self._sharing_room_of(member)
        return (
            []
            if room is None
            else room.set_unreachable(member, unreachable, now) + self._after_change(room, now)
        )

    def set_uplink(self, member: MemberId, bps: float, now: float) -> None:
        """Note a member's measured uplink, bit/s."""
        if member in self._room_of:
            self._room_of[member].set_uplink(member, bps, now)

    def forward_signal(self, sender: MemberId, to: MemberId, data: Raw) -> list[Outgoing]:
        """Forward `data` from one member of a room to another."""
        room = self._sharing_room_of(sender)
        return room.forward_signal(sender, to, data) if room is not None else []

    def report_abuse(self, reporter: MemberId, reported: MemberId) -> bool:
        """Add a report of a piece with a wrong hash; return whether the member must be expelled."""
        room = self._room_of.get(reporter)
        return room is not None and reported in room and self._abuse_reports.add(reporter, reported)

    def publish(self, descriptor: Descriptor, now: float) -> list[Outgoing]:
        """Announce a segment in every room, after the roster that its plan uses."""
        self._timers.clear()  # publishing sends every roster that is due
        return [outgoing for room in self._all_rooms for outgoing in room.publish(descriptor, now)]

    def set_stream(self, stream: Stream) -> list[Outgoing]:
        """Tell all members what is on air."""
        return [outgoing for room in self._all_rooms for outgoing in room.set_stream(stream)]

    def tick(self, now: float) -> list[Outgoing]:
        """Send the `room`s that are due, and relocate members for whom another room is better."""
        due = self._timers.pop_due(now)
        outgoing = [outgoing for room in due for outgoing in room.tick(now)]
        if self._rebalance_at is not None and self._rebalance_at <= now:
            outgoing += self._rebalance(now)
        return outgoing

    def _sharing_room_of(self, member: MemberId) -> Room | None:
        """Return a member's room; None if it does not share, and so concerns nobody else."""
        room = self._room_of.get(member)
        return None if room is self._not_sharing_room else room

    def _place(self, variant: int, count: int = 1) -> Room:
        """Return a room for `count` new members: by variant first, then the fullest."""
        max_size = SOFT_LIMIT - count
        name = self._index.best(variant, max_size) or self._index.fullest(max_size)
        if name is None and count == 1:  # one more in the smallest room beats being alone
            name = self._index.smallest()
        return self._open() if name is None else self._rooms[name]

    def _open(self) -> Room:
        room = Room(self._new_name())
        self._rooms[room.name] = room
        return room

    def _after_change(self, room: Room, now: float) -> list[Outgoing]:
        """Update index and timers for a changed room; divide it if it is too large."""
        if room is self._not_sharing_room:
            return []
        outgoing = self._divide(room, now) if len(room) >= HARD_LIMIT else []
        name = room.name
        self._timers.set(room, room.due)
        if len(room) == 0:
            del self._rooms[name]
            self._index.remove(name)
        else:
            by_variant = Counter(room.member_state(member).variant for member in room.members)
            self._index.set(name, Occupancy(len(room), by_variant))
        if 0 < len(room) < MERGE_LIMIT:
            self._small_since.setdefault(name, now)
        else:
            self._small_since.pop(name, None)
        self._changed_rooms.add(room)
        if self.on_change is not None:
            self.on_change(name)
        if self._rebalance_at is None:
            self._rebalance_at = now + REBALANCE_INTERVAL_S
        return outgoing

    def _divide(self, room: Room, now: float) -> list[Outgoing]:
        """Move half of a room to a new one, by variant, with the links between them."""
        members = sorted(room.members, key=lambda member: room.member_state(member).variant)
        moving = members[len(members) // 2 :]
        new_room = self._open()
        states = room.remove_members(moving)
        self._room_of.update(dict.fromkeys(moving, new_room))
        return (
            new_room.add_members(states, now) + self._after_change(new_room, now) + room.tick(now)
        )

    def _rebalance(self, now: float) -> list[Outgoing]:
        """Relocate members that do badly in their rooms, and merge small rooms."""
        for room in self._changed_rooms:
            self._rebalancer.observe(room, now)
        self._changed_rooms.clear()
        self._unmet_requests.clear()
        outgoing: list[Outgoing] = []
        for request in self._rebalancer.requests(self._room_of, SOFT_LIMIT, now):
            outgoing += self._relocate_as_requested(request, now)
        outgoing += self._merge(now)
        has_more = self._changed_rooms or self._rebalancer.has_candidates or self._small_since
        self._rebalance_at = now + REBALANCE_INTERVAL_S if has_more else None
        return outgoing

    def _relocate_as_requested(self, request: RelocationRequest, now: float) -> list[Outgoing]:
        """Relocate members to a better room, if there is one."""
        room, max_size = self._rooms[request.room], request.limit - 1
        members = [member for member in request.members if member in room]
        if not members:
            return []
        name = self._index.best(
            request.variant, max_size, more_than=request.more_than or 0, exclude=room.name
        )
        if name is None and request.more_than is None:
            name = self._index.fullest(max_size, exclude=room.name)
        if name is None:
            self._unmet_requests.append(request)
            return []
        target = self._rooms[name]
        return self._relocate(members[: request.limit - len(target)], room, target, now)

    def _merge(self, now: float) -> list[Outgoing]:
        """Merge pairs of rooms that have long been small."""
        small = sorted(
            (
                self._rooms[name]
                for name, since in self._small_since.items()
                if now - since >= MERGE_AFTER_S
            ),
            key=len,
        )
        outgoing: list[Outgoing] = []
        # in pairs, the smallest first
        while len(small) > 1 and len(small[0]) + len(small[1]) <= MERGE_LIMIT:
            smaller, larger, *small = small
            outgoing += self._relocate(smaller.members, smaller, larger, now)
        if small:
            remaining = small[0]
            variant = remaining.member_state(remaining.members[0]).variant
            self._unmet_requests.append(
                RelocationRequest(remaining.name, remaining.members, variant, None, MERGE_LIMIT)
            )
        return outgoing

    def _relocate(
        self, members: Collection[MemberId], room: Room, target: Room, now: float
    ) -> list[Outgoing]:
        """Relocate members to a room where they have no links yet."""
        states = room.remove_members(members)
        for state in states.values():
            state.ready = False  # until it has links to the other members
            state.unreachable = frozenset()
        self._room_of.update(dict.fromkeys(members, target))
        self._rebalancer.relocated(members, now)
        outgoing = target.add_members(states, now) + room.tick(now)
        return outgoing + self._after_change(room, now) + self._after_change(target, now)

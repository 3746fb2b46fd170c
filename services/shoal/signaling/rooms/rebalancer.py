"""Finds members that would do better in another room. Plain: sees rooms, returns requests."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from shoal.signaling.rooms.messages import MemberId
from shoal.signaling.rooms.room import Room

BADLY_LINKED_AFTER_S = 20.0
"""the time for two attempts at a link"""
MINORITY_AFTER_S = 30.0
MIN_RELOCATION_INTERVAL_S = 60.0
"""relocating costs a member its links"""


@dataclass(frozen=True)
class RelocationRequest:
    """Asks to relocate members of one room to another, together if there is space for all."""

    room: str
    members: tuple[MemberId, ...]
    variant: int
    more_than: int | None
    """more members than this must be on the variant there; None: any number"""
    limit: int
    """members that the other room may have, these included"""


class Rebalancer:
    """Tracks members with a reason to relocate. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._badly_linked_since: dict[MemberId, float] = {}
        self._minority_since: dict[MemberId, float] = {}
        self._relocated_at: dict[MemberId, float] = {}

    @property
    def has_candidates(self) -> bool:
        """Whether any member has a reason to relocate."""
        return bool(self._badly_linked_since or self._minority_since)

    def observe(self, room: Room, now: float) -> None:
        """Update which members of a room have a reason to relocate."""
        badly_linked, minority = _badly_linked(room), _minority(room)
        for member in room.members:
            _track(self._badly_linked_since, member, now, has=member in badly_linked)
            _track(self._minority_since, member, now, has=member in minority)

    def relocated(self, members: Iterable[MemberId], now: float) -> None:
        """Note that members are in another room now."""
        for member in members:
            self.remove_member(member)
            self._relocated_at[member] = now

    def remove_member(self, member: MemberId) -> None:
        """Forget a member."""
        for times in (self._badly_linked_since, self._minority_since, self._relocated_at):
            times.pop(member, None)

    def requests(
        self, room_of: Mapping[MemberId, Room], limit: int, now: float
    ) -> list[RelocationRequest]:
        """Return requests for members that have waited long enough.

        Of the badly linked members of one room only the first relocates: the others may do better
        without it.
        """
        badly_linked: dict[Room, MemberId] = {}
        for member in self._due(self._badly_linked_since, BADLY_LINKED_AFTER_S, now):
            badly_linked.setdefault(room_of[member], member)
        minorities: dict[tuple[Room, int], list[MemberId]] = {}
        for member in self._due(self._minority_since, MINORITY_AFTER_S, now):
            room = room_of[member]
            minorities.setdefault((room, room.member_state(member).variant), []).append(member)
        return [
            *(
                RelocationRequest(
                    room.name, (member,), room.member_state(member).variant, None, limit
                )
                for room, member in badly_linked.items()
            ),
            *(
                RelocationRequest(
                    room.name, tuple(members), variant, room.count_on_variant(variant), limit
                )
                for (room, variant), members in minorities.items()
            ),
        ]

    def _due(self, since: dict[MemberId, float], after_s: float, now: float) -> list[MemberId]:
        return [
            member
            for member, time in since.items()
            if now - time >= after_s
            and now - self._relocated_at.get(member, float("-inf")) >= MIN_RELOCATION_INTERVAL_S
        ]


def _track(since: dict[MemberId, float], member: MemberId, now: float, *, has: bool) -> None:
    if has:
        since.setdefault(member, now)
    else:
        since.pop(member, None)


def _badly_linked(room: Room) -> Collection[MemberId]:
    """Return members without a link to more than half of the others; one end's word is enough."""
    unlinked: dict[MemberId, set[MemberId]] = {}
    for member in room.members:
        for other in room.member_state(member).unreachable:
            if other in room:
                unlinked.setdefault(member, set()).add(other)
                unlinked.setdefault(other, set()).add(member)
    return [member for member, others in unlinked.items() if 2 * len(others) > len(room) - 1]


def _minority(room: Room) -> Collection[MemberId]:
    """Return members on a variant that less than a third of the room is on."""
    variants = {member: room.member_state(member).variant for member in room.members}
    counts = Counter(variants.values())
    return {member for member, variant in variants.items() if 3 * counts[variant] < len(room)}

"""Who would do better in another room, and since when. Plain: told of rooms, asked for wishes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from shoal.signaling.rooms.messages import MemberId
from shoal.signaling.rooms.room import Room

BADLY_LINKED_AFTER_S = 20.0
"""two attempts at a link"""
MINORITY_AFTER_S = 30.0
MIN_RELOCATION_INTERVAL_S = 60.0
"""a move costs its links, so nobody moves more often"""


@dataclass(frozen=True)
class RelocationRequest:
    """Members of one room that should sit in another one, together if there is space for all."""

    room: str
    members: tuple[MemberId, ...]
    variant: int
    more_than: int | None
    """so many there share the rendition at least, and one more; None: no matter"""
    limit: int
    """members that the other room may have with them"""


class Rebalancer:
    """The members that wait for a better room. Times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._badly_linked_since: dict[MemberId, float] = {}
        self._minority_since: dict[MemberId, float] = {}
        self._relocated_at: dict[MemberId, float] = {}

    @property
    def has_candidates(self) -> bool:
        """Whether anybody has reason to move."""
        return bool(self._badly_linked_since or self._minority_since)

    def observe(self, room: Room, now: float) -> None:
        """See who in a room has reason to move."""
        badly_linked, minority = _badly_linked(room), _minority(room)
        for member in room.members:
            _track(self._badly_linked_since, member, now, has=member in badly_linked)
            _track(self._minority_since, member, now, has=member in minority)

    def relocated(self, members: Iterable[MemberId], now: float) -> None:
        """Note that members sit in another room now."""
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
        """Return what those who have waited long enough wish for.

        Of those without links in one room only the first: the others may do without it.
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
    """Return who has no link to more than half of the others; it takes one of two to say so."""
    unlinked: dict[MemberId, set[MemberId]] = {}
    for member in room.members:
        for other in room.member_state(member).unreachable:
            if other in room:
                unlinked.setdefault(member, set()).add(other)
                unlinked.setdefault(other, set()).add(member)
    return [member for member, others in unlinked.items() if 2 * len(others) > len(room) - 1]


def _minority(room: Room) -> Collection[MemberId]:
    """Return whose rendition is shared by less than a third of the room."""
    variants = {member: room.member_state(member).variant for member in room.members}
    counts = Counter(variants.values())
    return {member for member, variant in variants.items() if 3 * counts[variant] < len(room)}

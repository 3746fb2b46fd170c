"""Who would do better in another room, and since when. Plain: told of rooms, asked for wishes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from shoal.signaling.rooms.messages import MemberId
from shoal.signaling.rooms.room import Roster

BADLY_LINKED_AFTER_S = 20.0
"""two attempts at a link"""
MINORITY_AFTER_S = 30.0
MOVE_INTERVAL_S = 60.0
"""a move costs its links, so nobody moves more often"""


@dataclass(frozen=True)
class Wish:
    """Members of one room that should sit in another one, together if there is space for all."""

    room: str
    members: tuple[MemberId, ...]
    variant: int
    more_than: int | None
    """so many there share the rendition at least, and one more; None: no matter"""
    limit: int
    """members that the other room may have with them"""


class Moves:
    """The members that wait for a better room. Times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._badly_linked_since: dict[MemberId, float] = {}
        self._minority_since: dict[MemberId, float] = {}
        self._moved_at: dict[MemberId, float] = {}

    @property
    def waiting(self) -> bool:
        """Whether anybody has reason to move."""
        return bool(self._badly_linked_since or self._minority_since)

    def look(self, room: Roster, now: float) -> None:
        """See who in a room has reason to move."""
        badly_linked, minority = _badly_linked(room), _minority(room)
        for member in room.members:
            _note(self._badly_linked_since, member, now, has=member in badly_linked)
            _note(self._minority_since, member, now, has=member in minority)

    def moved(self, members: Iterable[MemberId], now: float) -> None:
        """Note that members sit in another room now."""
        for member in members:
            self.left(member)
            self._moved_at[member] = now

    def left(self, member: MemberId) -> None:
        """Forget a member."""
        for times in (self._badly_linked_since, self._minority_since, self._moved_at):
            times.pop(member, None)

    def wishes(self, where: Mapping[MemberId, Roster], limit: int, now: float) -> list[Wish]:
        """Return what those who have waited long enough wish for.

        Of those without links in one room only the first: the others may do without it.
        """
        alone: dict[Roster, MemberId] = {}
        for member in self._due(self._badly_linked_since, BADLY_LINKED_AFTER_S, now):
            alone.setdefault(where[member], member)
        few: dict[tuple[Roster, int], list[MemberId]] = {}
        for member in self._due(self._minority_since, MINORITY_AFTER_S, now):
            room = where[member]
            few.setdefault((room, room.seat(member).variant), []).append(member)
        return [
            *(
                Wish(room.room, (member,), room.seat(member).variant, None, limit)
                for room, member in alone.items()
            ),
            *(
                Wish(room.room, tuple(members), variant, room.playing(variant), limit)
                for (room, variant), members in few.items()
            ),
        ]

    def _due(self, since: dict[MemberId, float], after_s: float, now: float) -> list[MemberId]:
        return [
            member
            for member, time in since.items()
            if now - time >= after_s
            and now - self._moved_at.get(member, float("-inf")) >= MOVE_INTERVAL_S
        ]


def _note(since: dict[MemberId, float], member: MemberId, now: float, *, has: bool) -> None:
    if has:
        since.setdefault(member, now)
    else:
        since.pop(member, None)


def _badly_linked(room: Roster) -> Collection[MemberId]:
    """Return who has no link to more than half of the others; it takes one of two to say so."""
    missing: dict[MemberId, set[MemberId]] = {}
    for member in room.members:
        for other in room.seat(member).cut:
            if other in room:
                missing.setdefault(member, set()).add(other)
                missing.setdefault(other, set()).add(member)
    return [member for member, others in missing.items() if 2 * len(others) > len(room) - 1]


def _minority(room: Roster) -> Collection[MemberId]:
    """Return whose rendition is shared by less than a third of the room."""
    renditions = {member: room.seat(member).variant for member in room.members}
    playing = Counter(renditions.values())
    return {member for member, variant in renditions.items() if 3 * playing[variant] < len(room)}

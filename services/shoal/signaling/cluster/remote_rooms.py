"""The rooms of the other nodes, as far as they told. Plain."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shoal.signaling.cluster.messages import NodeId, RoomLine
from shoal.signaling.rooms.rebalancer import Wish
from shoal.signaling.rooms.room_index import Content, Vacancies
from shoal.signaling.rooms.rooms import HARD_LIMIT, MERGE_LIMIT, SOFT_LIMIT


@dataclass(frozen=True)
class Place:
    """A room of another node."""

    node: NodeId
    room: str
    limit: int
    """members that it may have"""


@dataclass
class _Node:
    heard_at: float
    answers: bool = True
    """whether it has answered, or said anything since it did not"""
    rooms: dict[str, Content] = field(default_factory=dict[str, Content])


class Elsewhere:
    """Where there is space. Times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._nodes: dict[NodeId, _Node] = {}
        self._vacancies = Vacancies[tuple[NodeId, str]]()
        """of the nodes that answer"""

    def __contains__(self, node: NodeId) -> bool:
        return node in self._nodes and self._nodes[node].answers

    def heard(self, node: NodeId, now: float) -> None:
        """Note that a node said something."""
        known = self._nodes.setdefault(node, _Node(now))
        known.heard_at = now
        if not known.answers:
            known.answers = True
            for room, content in known.rooms.items():
                self._vacancies.put((node, room), content)

    def take(self, node: NodeId, lines: Sequence[RoomLine], *, replace: bool) -> None:
        """Note what a node has told of its rooms."""
        if replace:
            self._hide(node)
            self._nodes[node].rooms.clear()
        for line in lines:
            if line.size:
                self._put(node, line.room, Content(line.size, line.playing))
            else:
                self._nodes[node].rooms.pop(line.room, None)
                self._vacancies.remove((node, line.room))

    def asked(self, place: Place, variants: Sequence[int]) -> None:
        """Count members that were sent there, before the node says so: others come right after."""
        content = self._nodes[place.node].rooms.get(place.room)
        if content is not None:
            playing = Counter(content.playing) + Counter(variants)
            self._put(place.node, place.room, Content(content.size + len(variants), playing))

    def silent(self, node: NodeId) -> None:
        """Send nobody to a node that does not answer, until it says something."""
        if node in self._nodes:
            self._nodes[node].answers = False
            self._hide(node)

    def unheard(self, since: float) -> list[NodeId]:
        """Return the nodes that have said nothing since then."""
        return [name for name, node in self._nodes.items() if node.heard_at < since]

    def forget(self, node: NodeId) -> None:
        """Forget a node."""
        self._hide(node)
        del self._nodes[node]

    def for_newcomer(self, variant: int, here: Content | None, own_rooms: int) -> Place | None:
        """Return a better room for a newcomer than the best of our own that has space, `here`."""
        most = SOFT_LIMIT - 1
        best = self._vacancies.best(variant, most) or self._vacancies.fullest(most)
        if best is not None:
            there = self._vacancies[best]
            if here is None or _rank(there, variant) > _rank(here, variant):
                return Place(*best, SOFT_LIMIT)
        elif own_rooms == 0:  # one more in the smallest beats being alone
            smallest = self._vacancies.smallest()
            if smallest is not None and self._vacancies[smallest].size < HARD_LIMIT - 1:
                return Place(*smallest, HARD_LIMIT - 1)
        return None

    def for_wish(self, wish: Wish) -> Place | None:
        """Return a room for members that want to move."""
        most = wish.limit - len(wish.members)
        if wish.limit == MERGE_LIMIT:
            found = self._vacancies.fullest(most)
            if found is None:
                return None
            # of two nodes that both think of it only one moves
            there = self._vacancies[found].size, found[1]
            return Place(*found, wish.limit) if there > (len(wish.members), wish.room) else None
        found = self._vacancies.best(wish.variant, most, more_than=wish.more_than or 0)
        if found is None and wish.more_than is None:
            found = self._vacancies.fullest(most)
        return None if found is None else Place(*found, wish.limit)

    def _put(self, node: NodeId, room: str, content: Content) -> None:
        self._nodes[node].rooms[room] = content
        if self._nodes[node].answers:
            self._vacancies.put((node, room), content)

    def _hide(self, node: NodeId) -> None:
        for room in self._nodes[node].rooms:
            self._vacancies.remove((node, room))


def _rank(content: Content, variant: int) -> tuple[int, int]:
    return content.playing.get(variant, 0), content.size

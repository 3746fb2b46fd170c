"""The rooms of other nodes, by their summaries. Plain."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shoal.signaling.cluster.messages import NodeId, RoomSummary
from shoal.signaling.rooms.rebalancer import RelocationRequest
from shoal.signaling.rooms.room_index import Occupancy, RoomIndex
from shoal.signaling.rooms.rooms import HARD_LIMIT, MERGE_LIMIT, SOFT_LIMIT


@dataclass(frozen=True)
class Destination:
    """A room to join."""

    node: NodeId
    room: str
    limit: int
    """members that it may have"""


@dataclass
class _Node:
    last_message_at: float
    is_responsive: bool = True
    """false from a missed answer until the next message"""
    rooms: dict[str, Occupancy] = field(default_factory=dict[str, Occupancy])


class RemoteRooms:
    """Finds space in rooms of other nodes. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._nodes: dict[NodeId, _Node] = {}
        self._index = RoomIndex[tuple[NodeId, str]]()
        """of the responsive nodes"""

    def __contains__(self, node: NodeId) -> bool:
        return node in self._nodes and self._nodes[node].is_responsive

    def note_message(self, node: NodeId, now: float) -> None:
        """Note that a node sent something."""
        state = self._nodes.setdefault(node, _Node(now))
        state.last_message_at = now
        if not state.is_responsive:
            state.is_responsive = True
            for room, occupancy in state.rooms.items():
                self._index.set((node, room), occupancy)

    def update(self, node: NodeId, summaries: Sequence[RoomSummary], *, replace_all: bool) -> None:
        """Update the rooms of a node by its summaries."""
        if replace_all:
            self._remove_from_index(node)
            self._nodes[node].rooms.clear()
        for summary in summaries:
            if summary.size:
                self._set_room(node, summary.room, Occupancy(summary.size, summary.by_variant))
            else:
                self._nodes[node].rooms.pop(summary.room, None)
                self._index.remove((node, summary.room))

    def note_join_request(self, destination: Destination, variants: Sequence[int]) -> None:
        """Count members that were sent to a room before its node does: more may follow at once."""
        occupancy = self._nodes[destination.node].rooms.get(destination.room)
        if occupancy is not None:
            by_variant = Counter(occupancy.by_variant) + Counter(variants)
            self._set_room(
                destination.node,
                destination.room,
                Occupancy(occupancy.size + len(variants), by_variant),
            )

    def mark_unresponsive(self, node: NodeId) -> None:
        """Send no members to a node that did not answer, until its next message."""
        if node in self._nodes:
            self._nodes[node].is_responsive = False
            self._remove_from_index(node)

    def silent_since(self, since: float) -> list[NodeId]:
        """Return the nodes that have sent nothing since then."""
        return [name for name, node in self._nodes.items() if node.last_message_at < since]

    def remove_node(self, node: NodeId) -> None:
        """Forget a node."""
        self._remove_from_index(node)
        del self._nodes[node]

    def better_than_local(
        self, variant: int, best_local: Occupancy | None, local_rooms: int
    ) -> Destination | None:
        """Return a better room for a new member than this node's best one, `best_local`."""
        max_size = SOFT_LIMIT - 1
        best = self._index.best(variant, max_size) or self._index.fullest(max_size)
        if best is not None:
            there = self._index[best]
            if best_local is None or _rank(there, variant) > _rank(best_local, variant):
                return Destination(*best, SOFT_LIMIT)
        elif local_rooms == 0:  # one more in the smallest room beats being alone
            smallest = self._index.smallest()
            if smallest is not None and self._index[smallest].size < HARD_LIMIT - 1:
                return Destination(*smallest, HARD_LIMIT - 1)
        return None

    def destination_for(self, request: RelocationRequest) -> Destination | None:
        """Return a room that meets a relocation request, if there is one."""
        max_size = request.limit - len(request.members)
        if request.limit == MERGE_LIMIT:
            found = self._index.fullest(max_size)
            if found is None:
                return None
            # if two nodes have the same idea, only one relocates
            there = self._index[found].size, found[1]
            return (
                Destination(*found, request.limit)
                if there > (len(request.members), request.room)
                else None
            )
        found = self._index.best(request.variant, max_size, more_than=request.more_than or 0)
        if found is None and request.more_than is None:
            found = self._index.fullest(max_size)
        return None if found is None else Destination(*found, request.limit)

    def _set_room(self, node: NodeId, room: str, occupancy: Occupancy) -> None:
        self._nodes[node].rooms[room] = occupancy
        if self._nodes[node].is_responsive:
            self._index.set((node, room), occupancy)

    def _remove_from_index(self, node: NodeId) -> None:
        for room in self._nodes[node].rooms:
            self._index.remove((node, room))


def _rank(occupancy: Occupancy, variant: int) -> tuple[int, int]:
    return occupancy.by_variant.get(variant, 0), occupancy.size

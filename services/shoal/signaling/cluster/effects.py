"""What follows from an event: frames for local viewers, and messages for other nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from shoal.signaling.cluster.messages import Deliver, DeliverRoster, NodeId, RoutingMessage
from shoal.signaling.rooms.messages import MemberId, RosterMessage, encode
from shoal.signaling.rooms.room import Outgoing

NOBODY = MemberId("")
YOU = b'"you":""'


@dataclass(frozen=True)
class OutgoingFrame:
    """A text frame for some viewers of this node."""

    to: tuple[MemberId, ...]
    data: bytes
    droppable: bool = False
    """whether another viewer caused it: a viewer that is behind does not get it"""


@dataclass
class Effects:
    """All that follows from one event; each list is in the order of sending."""

    frames: list[OutgoingFrame] = field(default_factory=list[OutgoingFrame])
    node_messages: list[tuple[NodeId, RoutingMessage]] = field(
        default_factory=list[tuple[NodeId, RoutingMessage]]
    )
    expelled: list[MemberId] = field(default_factory=list[MemberId])
    """viewers of this node whose sockets must be closed"""

    def add_messages(
        self,
        messages: Sequence[Outgoing],
        node_of: Callable[[MemberId], NodeId | None],
        *,
        droppable: bool = False,
    ) -> None:
        """Add messages to members; `node_of` returns a member's node, None for this one.

        A message for several members is encoded once, and goes to each node once. So is a roster,
        although it names each member's own id.
        """
        for roster, same_roster in groupby(messages, _roster_key):
            if roster is None:
                for outgoing in same_roster:
                    self._add_frame(outgoing.to, encode(outgoing.message), node_of, droppable)
                continue
            rosters = list(same_roster)
            to = [member for outgoing in rosters for member in outgoing.to]
            frame = encode(msgspec.structs.replace(rosters[0].message, you=NOBODY))
            for node, members in group_by_node(to, node_of).items():
                if node is None:
                    self.add_roster(members, frame)
                else:
                    self.node_messages.append((node, DeliverRoster(roster[0], members, frame)))

    def add_roster(self, members: Sequence[MemberId], frame: bytes) -> None:
        """Send a `room` in which `you` is empty to viewers of this node."""
        for member in members:
            data = frame.replace(YOU, b'"you":"%b"' % member.encode(), 1)
            self.frames.append(OutgoingFrame((member,), data))

    def _add_frame(
        self,
        to: Sequence[MemberId],
        data: bytes,
        node_of: Callable[[MemberId], NodeId | None],
        droppable: bool,
    ) -> None:
        for node, members in group_by_node(to, node_of).items():
            if node is None:
                self.frames.append(OutgoingFrame(tuple(members), data, droppable))
            else:
                self.node_messages.append((node, Deliver(members, data, droppable)))


def _roster_key(outgoing: Outgoing) -> tuple[str, int] | None:
    message = outgoing.message
    return (message.room, message.epoch) if isinstance(message, RosterMessage) else None


def group_by_node(
    members: Sequence[MemberId], node_of: Callable[[MemberId], NodeId | None]
) -> dict[NodeId | None, list[MemberId]]:
    """Return the members by node."""
    nodes: dict[NodeId | None, list[MemberId]] = {}
    for member in members:
        nodes.setdefault(node_of(member), []).append(member)
    return nodes

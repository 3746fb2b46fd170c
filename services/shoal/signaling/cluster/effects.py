"""What an event leads to: frames for viewers of this node, and messages for other nodes. Plain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from shoal.signaling.cluster.messages import NodeId, Rostered, Seating, Told
from shoal.signaling.rooms.messages import MemberId, Room, encode
from shoal.signaling.rooms.room import Outgoing

NOBODY = MemberId("")
YOU = b'"you":""'


@dataclass(frozen=True)
class Frame:
    """A text frame for some viewers of this node."""

    to: tuple[MemberId, ...]
    data: bytes
    relayed: bool = False
    """whether another viewer caused it: who is behind does not get it"""


@dataclass
class Sent:
    """All that follows from one event; the order of each list is that of sending."""

    frames: list[Frame] = field(default_factory=list[Frame])
    nodes: list[tuple[NodeId, Seating]] = field(default_factory=list[tuple[NodeId, Seating]])
    expelled: list[MemberId] = field(default_factory=list[MemberId])
    """viewers of this node whose sockets are to end"""

    def post(
        self,
        messages: Sequence[Outgoing],
        node_of: Callable[[MemberId], NodeId | None],
        *,
        relayed: bool = False,
    ) -> None:
        """Send to members; `node_of` says at which node one is, None for this one.

        What several members are told is encoded once, and goes to each node once: a roster, too,
        which names to each member its own id.
        """
        for roster, several in groupby(messages, _roster):
            if roster is None:
                for outgoing in several:
                    self._tell(outgoing.to, encode(outgoing.message), node_of, relayed)
                continue
            told = list(several)
            to = [member for outgoing in told for member in outgoing.to]
            frame = encode(msgspec.structs.replace(told[0].message, you=NOBODY))
            for node, members in by_node(to, node_of).items():
                if node is None:
                    self.tell_roster(members, frame)
                else:
                    self.nodes.append((node, Rostered(roster[0], members, frame)))

    def tell_roster(self, members: Sequence[MemberId], frame: bytes) -> None:
        """Send viewers of this node a `room` in which `you` is empty."""
        for member in members:
            data = frame.replace(YOU, b'"you":"%b"' % member.encode(), 1)
            self.frames.append(Frame((member,), data))

    def _tell(
        self,
        to: Sequence[MemberId],
        data: bytes,
        node_of: Callable[[MemberId], NodeId | None],
        relayed: bool,
    ) -> None:
        for node, members in by_node(to, node_of).items():
            if node is None:
                self.frames.append(Frame(tuple(members), data, relayed))
            else:
                self.nodes.append((node, Told(members, data, relayed)))


def _roster(outgoing: Outgoing) -> tuple[str, int] | None:
    message = outgoing.message
    return (message.room, message.epoch) if isinstance(message, Room) else None


def by_node(
    members: Sequence[MemberId], node_of: Callable[[MemberId], NodeId | None]
) -> dict[NodeId | None, list[MemberId]]:
    """Return the members at each node."""
    nodes: dict[NodeId | None, list[MemberId]] = {}
    for member in members:
        nodes.setdefault(node_of(member), []).append(member)
    return nodes

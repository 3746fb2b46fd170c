"""What the other nodes have, as far as they told: events in, messages out, no I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from shoal.announcements import FromBroadcaster
from shoal.signaling.cluster.messages import (
    Announced,
    Ask,
    Batch,
    Beat,
    Everything,
    Joined,
    Left,
    Message,
    NodeId,
    Registered,
    TookOver,
)
from shoal.signaling.stats.totals import Totals
from shoal.signaling.tracker.matching import Connection
from shoal.signaling.tracker.messages import InfoHash, PeerId
from shoal.signaling.tracker.remote_peers import Relay, SwarmPeer
from shoal.signaling.tracker.served_torrents import Admission
from shoal.signaling.tracker.swarms import Outgoing, Swarms

BEAT_S = 2.0
SILENCE_LIMIT_S = 8.0
"""a node that is silent for so long is gone, with its peers"""
ASK_AGAIN_S = 2.0
PEERS_PER_MESSAGE = 1_000
MAX_DEPARTED = 100
NO_BEAT = Beat(Totals(), 0, 0, 0, {})


@dataclass
class Heard:
    """What follows from a batch."""

    say: list[Message] = field(default_factory=list[Message])
    """to all nodes"""
    tell_all: bool = False
    """whether somebody asks for all that this node has"""
    outgoing: list[Outgoing] = field(default_factory=list[Outgoing])
    """to clients of this node"""
    announced: list[FromBroadcaster] = field(default_factory=list[FromBroadcaster])
    took_over: bool = False
    """whether the broadcaster is at another node now"""


@dataclass
class _Node:
    connection: Connection
    heard_at_s: float
    number: int | None = None
    asked_at_s: float = float("-inf")
    beat: Beat = NO_BEAT
    unnamed: set[tuple[InfoHash, PeerId]] | None = None
    """while it tells everything: its peers of before that it has not named"""


class Nodes:
    """The other nodes. Times are seconds of a clock that only rises."""

    def __init__(
        self,
        own: NodeId,
        swarms: Swarms,
        admission: Admission,
        new_connection: Callable[[], Connection],
    ) -> None:
        """Keep `swarms` and `admission` true for what other nodes than `own` have."""
        self._own = own
        self._swarms = swarms
        self._admission = admission
        self._new_connection = new_connection
        self._nodes: dict[NodeId, _Node] = {}
        self._by_connection: dict[Connection, NodeId] = {}
        self._departed: dict[NodeId, Totals] = {}
        """what viewers of nodes that are gone had received"""

    def __len__(self) -> int:
        return len(self._nodes)

    def at(self, connection: Connection) -> NodeId | None:
        """Return the node that a connection stands for."""
        return self._by_connection.get(connection)

    @property
    def totals(self) -> Totals:
        """The sums of all of them."""
        parts = [*(node.beat.totals for node in self._nodes.values()), *self._departed.values()]
        return sum(parts, Totals())

    @property
    def rooms(self) -> int:
        """Rooms of all of them."""
        return sum(node.beat.rooms for node in self._nodes.values())

    @property
    def broadcasters(self) -> int:
        """Broadcasters connected to them."""
        return sum(node.beat.broadcasters for node in self._nodes.values())

    @property
    def joins(self) -> int:
        """Viewers that ever came to them."""
        return sum(node.beat.joins for node in self._nodes.values())

    def hear(self, batch: Batch, now_s: float) -> Heard:
        """Take what a node said."""
        heard = Heard()
        if batch.node == self._own:
            return heard
        node = self._nodes.get(batch.node) or self._welcome(batch.node, now_s)
        node.heard_at_s = now_s
        if batch.number is not None:
            missed = node.number is None or batch.number != node.number + 1
            node.number = batch.number
            if missed and now_s - node.asked_at_s >= ASK_AGAIN_S:
                node.asked_at_s = now_s
                heard.say.append(Ask(batch.node))
        for message in batch.messages:
            self._take(node, message, now_s, heard)
        return heard

    def reconnected(self, now_s: float) -> None:
        """Give everybody time again: nobody could be heard."""
        for node in self._nodes.values():
            node.heard_at_s = now_s

    def expire(self, now_s: float) -> None:
        """Forget the nodes that are silent, and their peers."""
        silent = [
            (name, node)
            for name, node in self._nodes.items()
            if now_s - node.heard_at_s > SILENCE_LIMIT_S
        ]
        for name, node in silent:
            self._swarms.leave(node.connection)
            del self._nodes[name]
            del self._by_connection[node.connection]
            said = node.beat.totals
            self._departed[name] = Totals(
                bytes=said.bytes,
                startup=said.startup,
                uploaded=said.uploaded,
                stalls=said.stalls,
                wanted=said.wanted,
                replays=structs.replace(said.replays, viewers=0, linked=0),
            )
            if len(self._departed) > MAX_DEPARTED:
                del self._departed[next(iter(self._departed))]

    def _welcome(self, name: NodeId, now_s: float) -> _Node:
        connection = self._new_connection()
        node = self._nodes[name] = _Node(connection, now_s)
        self._by_connection[connection] = name
        self._departed.pop(name, None)
        return node

    def _take(self, node: _Node, message: Message, now_s: float, heard: Heard) -> None:
        match message:
            case Joined(peer):
                self._swarms.adopt(node.connection, peer, known_to_be_new=True)
            case Left(info_hash, peer_id):
                self._swarms.abandon(node.connection, info_hash, peer_id)
            case Registered(info_hash):
                self._admission.register(info_hash, now_s)
            case Announced(what):
                heard.announced.append(what)
            case TookOver():
                heard.took_over = True
            case Beat():
                node.beat = message
            case Ask(wanted):
                heard.tell_all |= wanted in (None, self._own)
            case Everything():
                self._replace(node, message)
            case Relay():
                heard.outgoing += self._swarms.relayed(node.connection, message, now_s)
            case _:  # of rooms: not ours to keep
                pass

    def _replace(self, node: _Node, part: Everything) -> None:
        if part.first:
            node.unnamed = self._swarms.carried_by(node.connection)
        for peer in part.peers:
            self._swarms.adopt(node.connection, peer, known_to_be_new=False)
            if node.unnamed is not None:
                node.unnamed.discard((peer.info_hash, peer.peer_id))
        if part.last and node.unnamed is not None:
            for info_hash, peer_id in node.unnamed:
                self._swarms.abandon(node.connection, info_hash, peer_id)
            node.unnamed = None


def everything(peers: Sequence[SwarmPeer]) -> list[Everything]:
    """Return the messages that tell all peers of a node."""
    parts = [peers[k : k + PEERS_PER_MESSAGE] for k in range(0, len(peers), PEERS_PER_MESSAGE)]
    parts = parts or [[]]
    return [
        Everything(first=number == 0, last=number == len(parts) - 1, peers=list(part))
        for number, part in enumerate(parts)
    ]

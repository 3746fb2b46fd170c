"""What the other nodes have, by their messages: events in, messages out, no I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from shoal.announcements import FromBroadcaster
from shoal.signaling.cluster.messages import (
    Announcement,
    Batch,
    BroadcasterMoved,
    Heartbeat,
    NodeId,
    NodeMessage,
    PeerJoined,
    PeerLeft,
    Snapshot,
    SnapshotRequest,
    TorrentRegistered,
)
from shoal.signaling.stats.totals import Totals
from shoal.signaling.tracker.matching import ConnectionId
from shoal.signaling.tracker.messages import InfoHash, PeerId
from shoal.signaling.tracker.remote_peers import ForwardedDescription, SwarmPeer
from shoal.signaling.tracker.served_torrents import ServedTorrents
from shoal.signaling.tracker.swarms import Outgoing, Swarms

HEARTBEAT_S = 2.0
NODE_TIMEOUT_S = 8.0
"""a node that is silent for this long is gone, with its peers"""
SNAPSHOT_RETRY_S = 2.0
PEERS_PER_MESSAGE = 1_000
MAX_DEPARTED = 100
NO_HEARTBEAT = Heartbeat(Totals(), 0, 0, 0, {})


@dataclass
class BatchEffects:
    """What follows from a batch."""

    to_all: list[NodeMessage] = field(default_factory=list[NodeMessage])
    """messages for all nodes"""
    send_snapshot: bool = False
    """whether a node asks for all that this node has"""
    outgoing: list[Outgoing] = field(default_factory=list[Outgoing])
    """messages for tracker clients of this node"""
    announcements: list[FromBroadcaster] = field(default_factory=list[FromBroadcaster])
    broadcaster_moved: bool = False
    """whether the broadcaster is connected to another node now"""


@dataclass
class _Node:
    connection_id: ConnectionId
    last_message_at_s: float
    last_batch_number: int | None = None
    snapshot_requested_at_s: float = float("-inf")
    heartbeat: Heartbeat = NO_HEARTBEAT
    unconfirmed_peers: set[tuple[InfoHash, PeerId]] | None = None
    """during a snapshot: earlier peers that it has not named yet"""


class RemoteNodes:
    """The other nodes. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        node: NodeId,
        swarms: Swarms,
        served_torrents: ServedTorrents,
        new_connection_id: Callable[[], ConnectionId],
    ) -> None:
        """Keep `swarms` and `served_torrents` up to date with what nodes other than `node` have."""
        self._node = node
        self._swarms = swarms
        self._served_torrents = served_torrents
        self._new_connection_id = new_connection_id
        self._nodes: dict[NodeId, _Node] = {}
        self._by_connection_id: dict[ConnectionId, NodeId] = {}
        self._departed: dict[NodeId, Totals] = {}
        """totals of nodes that are gone"""

    def __len__(self) -> int:
        return len(self._nodes)

    def node_of(self, connection_id: ConnectionId) -> NodeId | None:
        """Return the node that a connection stands for."""
        return self._by_connection_id.get(connection_id)

    @property
    def totals(self) -> Totals:
        """The sums over all of them."""
        groups = [
            *(node.heartbeat.totals for node in self._nodes.values()),
            *self._departed.values(),
        ]
        return sum(groups, Totals())

    @property
    def rooms(self) -> int:
        """The number of their rooms."""
        return sum(node.heartbeat.rooms for node in self._nodes.values())

    @property
    def broadcasters(self) -> int:
        """The number of broadcasters connected to them."""
        return sum(node.heartbeat.broadcasters for node in self._nodes.values())

    @property
    def joins(self) -> int:
        """The number of viewers that ever joined them."""
        return sum(node.heartbeat.joins for node in self._nodes.values())

    def receive(self, batch: Batch, now_s: float) -> BatchEffects:
        """Apply a node's batch."""
        effects = BatchEffects()
        if batch.node == self._node:
            return effects
        node = self._nodes.get(batch.node) or self._add_node(batch.node, now_s)
        node.last_message_at_s = now_s
        if batch.number is not None:
            missed = node.last_batch_number is None or batch.number != node.last_batch_number + 1
            node.last_batch_number = batch.number
            if missed and now_s - node.snapshot_requested_at_s >= SNAPSHOT_RETRY_S:
                node.snapshot_requested_at_s = now_s
                effects.to_all.append(SnapshotRequest(batch.node))
        for message in batch.messages:
            self._apply(node, message, now_s, effects)
        return effects

    def reconnected(self, now_s: float) -> None:
        """Restart all timeouts: no node could be heard."""
        for node in self._nodes.values():
            node.last_message_at_s = now_s

    def expire(self, now_s: float) -> None:
        """Forget silent nodes and their peers."""
        silent = [
            (name, node)
            for name, node in self._nodes.items()
            if now_s - node.last_message_at_s > NODE_TIMEOUT_S
        ]
        for name, node in silent:
            self._swarms.remove_connection(node.connection_id)
            del self._nodes[name]
            del self._by_connection_id[node.connection_id]
            totals = node.heartbeat.totals
            self._departed[name] = Totals(
                bytes=totals.bytes,
                startup=totals.startup,
                uploaded=totals.uploaded,
                stalls=totals.stalls,
                wanted=totals.wanted,
                replays=structs.replace(totals.replays, viewers=0, linked=0),
            )
            if len(self._departed) > MAX_DEPARTED:
                del self._departed[next(iter(self._departed))]

    def _add_node(self, name: NodeId, now_s: float) -> _Node:
        connection_id = self._new_connection_id()
        node = self._nodes[name] = _Node(connection_id, now_s)
        self._by_connection_id[connection_id] = name
        self._departed.pop(name, None)
        return node

    def _apply(
        self, node: _Node, message: NodeMessage, now_s: float, effects: BatchEffects
    ) -> None:
        match message:
            case PeerJoined(peer):
                self._swarms.add_remote_peer(node.connection_id, peer, is_new=True)
            case PeerLeft(info_hash, peer_id):
                self._swarms.remove_remote_peer(node.connection_id, info_hash, peer_id)
            case TorrentRegistered(info_hash):
                self._served_torrents.register(info_hash, now_s)
            case Announcement(announcement):
                effects.announcements.append(announcement)
            case BroadcasterMoved():
                effects.broadcaster_moved = True
            case Heartbeat():
                node.heartbeat = message
            case SnapshotRequest(wanted):
                effects.send_snapshot |= wanted in (None, self._node)
            case Snapshot():
                self._apply_snapshot(node, message)
            case ForwardedDescription():
                effects.outgoing += self._swarms.receive_forwarded(
                    node.connection_id, message, now_s
                )
            case _:  # about rooms: handled by the router
                pass

    def _apply_snapshot(self, node: _Node, snapshot: Snapshot) -> None:
        if snapshot.first:
            node.unconfirmed_peers = self._swarms.peers_of(node.connection_id)
        for peer in snapshot.peers:
            self._swarms.add_remote_peer(node.connection_id, peer, is_new=False)
            if node.unconfirmed_peers is not None:
                node.unconfirmed_peers.discard((peer.info_hash, peer.peer_id))
        if snapshot.last and node.unconfirmed_peers is not None:
            for info_hash, peer_id in node.unconfirmed_peers:
                self._swarms.remove_remote_peer(node.connection_id, info_hash, peer_id)
            node.unconfirmed_peers = None


def snapshot_messages(peers: Sequence[SwarmPeer]) -> list[Snapshot]:
    """Return the messages that make up a snapshot of a node's peers."""
    groups = [peers[k : k + PEERS_PER_MESSAGE] for k in range(0, len(peers), PEERS_PER_MESSAGE)]
    groups = groups or [[]]
    return [
        Snapshot(first=number == 0, last=number == len(groups) - 1, peers=list(group))
        for number, group in enumerate(groups)
    ]

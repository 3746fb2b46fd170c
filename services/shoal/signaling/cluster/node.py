"""This process as one node of several: sends the others its state, and applies theirs."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.signaling.broadcaster_connection import apply_announcement
from shoal.signaling.cluster.messages import (
    Announcement,
    Batch,
    BroadcasterMoved,
    Heartbeat,
    NodeId,
    NodeMessage,
    PeerJoined,
    PeerLeft,
    RoutingMessage,
    SnapshotRequest,
    TorrentRegistered,
    decode,
    encode,
)
from shoal.signaling.cluster.redis_bus import RedisBus
from shoal.signaling.cluster.remote_nodes import HEARTBEAT_S, RemoteNodes, snapshot_messages
from shoal.signaling.room_service import RoomService
from shoal.signaling.tracker.connection import Tracker
from shoal.signaling.tracker.matching import ConnectionId, Peer
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.remote_peers import ForwardedDescription
from shoal.signaling.tracker.swarms import describe_peer

log = logging.getLogger("shoal.signaling")

ROOM_SUMMARY_INTERVAL_S = 0.25
"""changes of rooms are gathered this long"""
CANCEL_RETRY_S = 0.5


class ClusterNode(Collector):
    """One node. Must be created inside a running event loop."""

    def __init__(
        self, url: str, station_secret: str, room_service: RoomService, tracker: Tracker
    ) -> None:
        """Join the nodes that share the Redis at `url` and the text `station_secret`."""
        self._room_service = room_service
        self._tracker = tracker
        self._node = room_service.node
        prefix = "shoal:" + hashlib.sha256(station_secret.encode()).hexdigest()[:16]
        self._channel_of_all = f"{prefix}:all"
        self._prefix = prefix
        self._bus = RedisBus(
            url,
            (self._channel_of_all, self._channel(self._node)),
            self._on_message,
            self._on_connected,
        )
        self._nodes = RemoteNodes(
            self._node, tracker.swarms, tracker.served_torrents, tracker.new_connection_id
        )
        self._loop = asyncio.get_running_loop()
        self._last_batch_number = 0
        self._to_all: list[NodeMessage] = []
        self._forwarded: dict[NodeId, list[NodeMessage]] = {}
        self._batch_counters = BatchCounters()
        self._routing: dict[NodeId, list[NodeMessage]] = {}
        self._summaries_scheduled = False
        self._flush_scheduled = False
        tracker.swarms.on_change = self._on_peer_change
        tracker.served_torrents.on_registered = lambda info_hash: self._send_to_all(
            TorrentRegistered(info_hash)
        )
        tracker.on_remote_message = self._forward
        room_service.on_announcement = lambda announcement: self._send_to_all(
            Announcement(announcement)
        )
        room_service.on_node_message = self._route
        room_service.router.local_rooms.report_changes(self._schedule_summaries)
        room_service.on_broadcaster_connected = lambda: self._send_to_all(BroadcasterMoved())

    @property
    def fault(self) -> str | None:
        """Why this node is on its own; None while it is connected."""
        return self._bus.fault

    async def run(self) -> None:
        """Stay connected until cancelled."""
        bus_task = asyncio.create_task(self._bus.run())
        try:
            while True:
                self._send_heartbeat()
                await asyncio.sleep(HEARTBEAT_S)
        finally:
            # redis-py can swallow a cancellation that arrives while it connects
            while not bus_task.done():
                bus_task.cancel()
                await asyncio.wait({bus_task}, timeout=CANCEL_RETRY_S)

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        yield GaugeMetricFamily(
            "shoal_cluster_nodes", "Signaling processes of this station", len(self._nodes) + 1
        )
        yield GaugeMetricFamily(
            "shoal_cluster_connected",
            "1 while the cluster's Redis is connected",
            self.fault is None,
        )

    def _channel(self, node: NodeId) -> str:
        return f"{self._prefix}:{node}"

    def _send_heartbeat(self) -> None:
        if self._bus.connected:
            self._nodes.expire(self._loop.time())
            self._update_remote_counts()
        room_service = self._room_service
        room_service.expire_nodes()
        self._send_to_all(
            Heartbeat(
                room_service.local_totals(),
                room_service.local_rooms,
                room_service.local_broadcasters,
                room_service.viewer_stats.joins,
                dict(self._batch_counters.sent),
            )
        )

    def _update_remote_counts(self) -> None:
        nodes = self._nodes
        self._room_service.set_remote_counts(
            nodes.totals, nodes.rooms, nodes.broadcasters, nodes.joins
        )

    def _on_connected(self) -> None:
        self._nodes.reconnected(self._loop.time())
        self._send_to_all(SnapshotRequest(None))
        self._send_snapshot()

    def _send_snapshot(self) -> None:
        for snapshot in snapshot_messages(self._tracker.swarms.local_peers()):
            self._send_to_all(snapshot)
        for info_hash in self._tracker.served_torrents.registered:
            self._send_to_all(TorrentRegistered(info_hash))
        served_torrents = self._tracker.served_torrents
        for announcement in self._room_service.broadcast.announcements(
            served_torrents.live_swarms, served_torrents.replay_torrents
        ):
            self._send_to_all(Announcement(announcement))
        self._send_to_all(self._room_service.router.local_rooms.all_rooms())
        self._send_heartbeat()

    def _on_peer_change(
        self, info_hash: InfoHash, peer: Peer, change: Literal["joined", "left"]
    ) -> None:
        if change == "joined":
            self._send_to_all(PeerJoined(describe_peer(info_hash, peer)))
        else:
            self._send_to_all(PeerLeft(info_hash, peer.id))

    def _forward(self, connection_id: ConnectionId, forwarded: ForwardedDescription) -> None:
        node = self._nodes.node_of(connection_id)
        if node is not None:
            self._forwarded.setdefault(node, []).append(forwarded)
            self._schedule_flush()

    def _route(self, node: NodeId, message: RoutingMessage) -> None:
        self._routing.setdefault(node, []).append(message)
        self._schedule_flush()

    def _schedule_summaries(self) -> None:
        if not self._summaries_scheduled:
            self._summaries_scheduled = True
            self._loop.call_later(ROOM_SUMMARY_INTERVAL_S, self._send_summaries)

    def _send_summaries(self) -> None:
        self._summaries_scheduled = False
        self._send_to_all(self._room_service.router.local_rooms.changed_rooms())

    def _send_to_all(self, message: NodeMessage) -> None:
        self._to_all.append(message)
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._to_all:
            self._last_batch_number += 1
            batch = Batch(self._node, self._last_batch_number, self._to_all)
            self._to_all = []
            self._bus.publish(self._channel_of_all, encode(batch))
        for node, messages in self._forwarded.items():
            self._bus.publish(self._channel(node), encode(Batch(self._node, None, messages)))
        self._forwarded.clear()
        for node, messages in self._routing.items():
            batch = Batch(self._node, None, messages, self._batch_counters.next_number(node))
            self._bus.publish(self._channel(node), encode(batch))
        self._routing.clear()

    def _on_message(self, data: bytes) -> None:
        try:
            batch = decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("ignored an invalid message from another node: %s", error)
            return
        effects = self._nodes.receive(batch, self._loop.time())
        for message in effects.to_all:
            self._send_to_all(message)
        for announcement in effects.announcements:
            apply_announcement(announcement, self._room_service, self._tracker.served_torrents)
        if effects.broadcaster_moved:
            self._room_service.broadcaster_moved()
        for outgoing in effects.outgoing:
            self._tracker.send(outgoing)
        if effects.send_snapshot:
            self._send_snapshot()
        if batch.node != self._node:
            self._receive_routing(batch)
        if any(isinstance(message, Heartbeat) for message in batch.messages):
            self._update_remote_counts()

    def _receive_routing(self, batch: Batch) -> None:
        complete = batch.node_number is None or self._batch_counters.received(
            batch.node, batch.node_number
        )
        for message in batch.messages:
            if isinstance(message, Heartbeat):
                sent = message.batches_sent.get(self._node, 0)
                complete = self._batch_counters.has_all(batch.node, sent) and complete
        routing = [message for message in batch.messages if isinstance(message, RoutingMessage)]
        self._room_service.receive_node(batch.node, routing, complete=complete)


class BatchCounters:
    """Numbers of the batches for single nodes, by which both ends notice a loss."""

    def __init__(self) -> None:
        self._sent: dict[NodeId, int] = {}
        self._received: dict[NodeId, int] = {}

    @property
    def sent(self) -> Mapping[NodeId, int]:
        """Return the number of the last batch to each node."""
        return dict(self._sent)

    def next_number(self, node: NodeId) -> int:
        """Return the number of the next batch for a node."""
        number = self._sent[node] = self._sent.get(node, 0) + 1
        return number

    def received(self, node: NodeId, number: int) -> bool:
        """Note a batch's arrival; return whether it follows the last one."""
        expected = self._received.get(node, 0) + 1
        self._received[node] = number
        return number == expected

    def has_all(self, node: NodeId, sent: int) -> bool:
        """Return whether all batches up to `sent` have arrived; missing ones are written off."""
        received = self._received.get(node, 0)
        self._received[node] = sent
        return received == sent

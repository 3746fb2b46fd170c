"""This process as one node of several: tells the others what it has, and hears what they have."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.signaling.broadcaster_connection import announce
from shoal.signaling.cluster.messages import (
    Announced,
    Ask,
    Batch,
    Beat,
    Joined,
    Left,
    Message,
    NodeId,
    Registered,
    Seating,
    TookOver,
    decode,
    encode,
)
from shoal.signaling.cluster.redis_bus import Bus
from shoal.signaling.cluster.remote_nodes import BEAT_S, Nodes, everything
from shoal.signaling.room_service import Hub
from shoal.signaling.tracker.connection import Tracker
from shoal.signaling.tracker.matching import Connection, Peer
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.remote_peers import Relay
from shoal.signaling.tracker.swarms import described

log = logging.getLogger("shoal.signaling")

ROOMS_INTERVAL_S = 0.25
"""what becomes of rooms is gathered this long"""
CANCEL_AGAIN_S = 0.5


class Cluster(Collector):
    """One node. Must be made inside a running event loop."""

    def __init__(self, url: str, station: str, hub: Hub, tracker: Tracker) -> None:
        """Join the nodes that share the Redis at `url` and the secret text `station`."""
        self._hub = hub
        self._tracker = tracker
        self._own = hub.node
        prefix = "shoal:" + hashlib.sha256(station.encode()).hexdigest()[:16]
        self._everybody = f"{prefix}:all"
        self._prefix = prefix
        self._bus = Bus(
            url,
            (self._everybody, self._channel(self._own)),
            self._on_message,
            self._on_connected,
        )
        self._nodes = Nodes(self._own, tracker.swarms, tracker.admission, tracker.new_connection)
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._saying: list[Message] = []
        self._relaying: dict[NodeId, list[Message]] = {}
        self._lines = Lines()
        self._seating: dict[NodeId, list[Message]] = {}
        self._telling_rooms = False
        self._flushing = False
        tracker.swarms.on_change = self._on_change
        tracker.admission.on_registered = lambda info_hash: self._say(Registered(info_hash))
        tracker.elsewhere = self._relay
        hub.on_announced = lambda what: self._say(Announced(what))
        hub.on_said = self._seat
        hub.seats.house.tell(self._tell_rooms_soon)
        hub.on_broadcaster = lambda: self._say(TookOver())

    @property
    def fault(self) -> str | None:
        """Why this node is alone, None while it is not."""
        return self._bus.fault

    async def run(self) -> None:
        """Stay in touch until cancelled."""
        talking = asyncio.create_task(self._bus.run())
        try:
            while True:
                self._beat()
                await asyncio.sleep(BEAT_S)
        finally:
            # redis' client can swallow a cancellation that comes while it connects
            while not talking.done():
                talking.cancel()
                await asyncio.wait({talking}, timeout=CANCEL_AGAIN_S)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield GaugeMetricFamily(
            "shoal_cluster_nodes", "Signaling processes of this station", len(self._nodes) + 1
        )
        yield GaugeMetricFamily(
            "shoal_cluster_connected", "1 while the cluster's Redis is there", self.fault is None
        )

    def _channel(self, node: NodeId) -> str:
        return f"{self._prefix}:{node}"

    def _beat(self) -> None:
        if self._bus.connected:
            self._nodes.expire(self._loop.time())
            self._count()
        hub = self._hub
        hub.expire()
        self._say(
            Beat(
                hub.own_totals(),
                hub.own_rooms,
                hub.own_broadcasters,
                hub.figures.joins,
                dict(self._lines.said),
            )
        )

    def _count(self) -> None:
        nodes = self._nodes
        self._hub.count_elsewhere(nodes.totals, nodes.rooms, nodes.broadcasters, nodes.joins)

    def _on_connected(self) -> None:
        self._nodes.reconnected(self._loop.time())
        self._say(Ask(None))
        self._tell_all()

    def _tell_all(self) -> None:
        for part in everything(self._tracker.swarms.own_peers()):
            self._say(part)
        for info_hash in self._tracker.admission.registered:
            self._say(Registered(info_hash))
        admission = self._tracker.admission
        for what in self._hub.programme.all(admission.live, admission.kept):
            self._say(Announced(what))
        self._say(self._hub.seats.house.all_rooms())
        self._beat()

    def _on_change(self, info_hash: InfoHash, peer: Peer, what: Literal["joined", "left"]) -> None:
        if what == "joined":
            self._say(Joined(described(info_hash, peer)))
        else:
            self._say(Left(info_hash, peer.id))

    def _relay(self, connection: Connection, relay: Relay) -> None:
        node = self._nodes.at(connection)
        if node is not None:
            self._relaying.setdefault(node, []).append(relay)
            self._flush_soon()

    def _seat(self, node: NodeId, message: Seating) -> None:
        self._seating.setdefault(node, []).append(message)
        self._flush_soon()

    def _tell_rooms_soon(self) -> None:
        if not self._telling_rooms:
            self._telling_rooms = True
            self._loop.call_later(ROOMS_INTERVAL_S, self._tell_rooms)

    def _tell_rooms(self) -> None:
        self._telling_rooms = False
        self._say(self._hub.seats.house.news())

    def _say(self, message: Message) -> None:
        self._saying.append(message)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._saying:
            self._number += 1
            batch = Batch(self._own, self._number, self._saying)
            self._saying = []
            self._bus.publish(self._everybody, encode(batch))
        for node, messages in self._relaying.items():
            self._bus.publish(self._channel(node), encode(Batch(self._own, None, messages)))
        self._relaying.clear()
        for node, messages in self._seating.items():
            batch = Batch(self._own, None, messages, self._lines.next(node))
            self._bus.publish(self._channel(node), encode(batch))
        self._seating.clear()

    def _on_message(self, data: bytes) -> None:
        try:
            batch = decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("a message of the cluster was not understood: %s", error)
            return
        heard = self._nodes.hear(batch, self._loop.time())
        for message in heard.say:
            self._say(message)
        for what in heard.announced:
            announce(what, self._hub, self._tracker.admission)
        if heard.took_over:
            self._hub.broadcaster_moved()
        for outgoing in heard.outgoing:
            self._tracker.send(outgoing)
        if heard.tell_all:
            self._tell_all()
        if batch.node != self._own:
            self._hear_of_rooms(batch)
        if any(isinstance(message, Beat) for message in batch.messages):
            self._count()

    def _hear_of_rooms(self, batch: Batch) -> None:
        complete = batch.line is None or self._lines.arrived(batch.node, batch.line)
        for message in batch.messages:
            if isinstance(message, Beat):
                said = message.lines.get(self._own, 0)
                complete = self._lines.has_all(batch.node, said) and complete
        seating = [message for message in batch.messages if isinstance(message, Seating)]
        self._hub.hear_node(batch.node, seating, complete=complete)


class Lines:
    """The lines to and from the other nodes."""

    def __init__(self) -> None:
        self._said: dict[NodeId, int] = {}
        self._heard: dict[NodeId, int] = {}

    @property
    def said(self) -> Mapping[NodeId, int]:
        """How much was said to each node."""
        return dict(self._said)

    def next(self, node: NodeId) -> int:
        """Return the number of the next batch for a node."""
        number = self._said[node] = self._said.get(node, 0) + 1
        return number

    def arrived(self, node: NodeId, number: int) -> bool:
        """Take note of a batch; say whether it is the one after the last."""
        expected = self._heard.get(node, 0) + 1
        self._heard[node] = number
        return number == expected

    def has_all(self, node: NodeId, said: int) -> bool:
        """Say whether so much has arrived; if not, what is lost counts as heard from now on."""
        heard = self._heard.get(node, 0)
        self._heard[node] = said
        return heard == said

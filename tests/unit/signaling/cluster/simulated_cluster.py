"""Several signaling nodes on a simulated bus, which keeps order and loses what it is told to
lose."""

import heapq
import itertools
import random
from collections import defaultdict
from typing import Any

import msgspec

from shoal.announcements import Stream
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.messages import Batch, NodeId, RoutingMessage, decode, encode
from shoal.signaling.cluster.node import BatchCounters
from shoal.signaling.cluster.redis_router import JOIN_ANSWER_TIMEOUT_S, RedisRouter
from shoal.signaling.cluster.remote_nodes import HEARTBEAT_S
from shoal.signaling.rooms.messages import FromViewer, MemberId
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.rooms.rooms import HARD_LIMIT
from tests.unit.signaling.make import descriptor

ON_AIR = Stream("abc", live=True)
ROOMS_INTERVAL_S = 0.25
DELAY_S = 0.4


class Node:
    """One node, and what its viewers have received."""

    def __init__(self, name: str) -> None:
        self.name = NodeId(name)
        self.broadcast = BroadcastState()
        self.broadcast.set_stream(ON_AIR)
        self.router = RedisRouter(self.name, self.broadcast)
        self.batch_counters = BatchCounters()
        self.alive = True
        self.summaries_at: float | None = None
        self.needs_snapshot = True
        """messages to all nodes may have been lost"""
        self.received: dict[MemberId, list[dict[str, Any]]] = {}
        self.joined_at: dict[MemberId, float] = {}
        self.expelled: list[MemberId] = []


class SimulatedCluster:
    """Several nodes, and the messages in transit between them."""

    def __init__(self, count: int, seed: int = 0, delay_s: float = DELAY_S) -> None:
        self.now = 0.0
        self.delay_s = delay_s
        self.random = random.Random(seed)
        self.nodes = [Node(f"n{k}") for k in range(count)]
        self.disconnected_until = 0.0
        self._in_transit: list[tuple[float, int, Node, Node, bytes]] = []
        self._numbers = itertools.count()
        self._last: dict[tuple[NodeId, NodeId], float] = defaultdict(float)
        self._heartbeat_at = 0.0
        self._members = itertools.count()
        self.node_of: dict[MemberId, Node] = {}
        for node in self.nodes:
            node.router.local_rooms.report_changes(lambda node=node: self._schedule_summaries(node))
        self.wait(1)

    def join(self, number: int, variant: int = 0) -> MemberId:
        node = self.nodes[number]
        member = MemberId(f"m{next(self._members):04}")
        node.received[member] = []
        node.joined_at[member] = self.now
        self.node_of[member] = node
        address = f"10.0.0.{member}"
        self._deliver(
            node, node.router.join(member, MemberState(variant, sharing=True), address, self.now)
        )
        return member

    def leave(self, member: MemberId) -> None:
        node = self.node_of.pop(member)
        self._deliver(node, node.router.leave(member, self.now))
        del node.received[member]

    def send(self, member: MemberId, message: FromViewer) -> None:
        node = self.node_of[member]
        self._deliver(node, node.router.receive(member, message, self.now))

    def publish(self, sequence: int) -> None:
        for node in self.nodes:
            if node.alive and node.broadcast.publish(descriptor(sequence)):
                self._deliver(node, node.router.publish(descriptor(sequence), self.now))

    def kill(self, number: int) -> None:
        node = self.nodes[number]
        node.alive = False
        self.node_of = {member: at for member, at in self.node_of.items() if at is not node}

    def lose(self, sender: int, receiver: int) -> None:
        """Lose the messages in transit between two nodes."""
        pair = self.nodes[sender], self.nodes[receiver]
        kept = [entry for entry in self._in_transit if (entry[2], entry[3]) != pair]
        self._in_transit = kept
        heapq.heapify(self._in_transit)
        pair[0].needs_snapshot = True

    def disconnect(self, seconds: float) -> None:
        """Disconnect the bus, and lose all messages for this long."""
        self._in_transit.clear()
        self.disconnected_until = self.now + seconds

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self._next_due()) <= end:
            self.now = max(self.now, due)
            self._step()
        self.now = end

    def roster(self, member: MemberId) -> dict[str, Any]:
        """Return the last roster that a viewer received."""
        return [
            message
            for message in self.node_of[member].received[member]
            if message["type"] == "room"
        ][-1]

    def _next_due(self) -> float:
        dues = [self._heartbeat_at, *(node.summaries_at for node in self.nodes if node.alive)]
        dues += [node.router.due for node in self.nodes if node.alive]
        dues += [self._in_transit[0][0]] if self._in_transit else []
        return min(due for due in dues if due is not None)

    def _step(self) -> None:
        if self._heartbeat_at <= self.now:
            self._heartbeat_at += HEARTBEAT_S
            for node in self.nodes:
                if node.alive:
                    self._send_heartbeats(node)
        for node in self.nodes:
            if node.alive and node.summaries_at is not None and node.summaries_at <= self.now:
                node.summaries_at = None
                self._to_all(node, [node.router.local_rooms.changed_rooms()])
            due = node.router.due
            if node.alive and due is not None and due <= self.now:
                self._deliver(node, node.router.tick(self.now))
        while self._in_transit and self._in_transit[0][0] <= self.now:
            _, _, sender, receiver, data = heapq.heappop(self._in_transit)
            if receiver.alive:
                self._arrive(sender, receiver, data)

    def _send_heartbeats(self, node: Node) -> None:
        self._deliver(node, node.router.expire_nodes(self.now))
        if node.needs_snapshot and self.now >= self.disconnected_until:
            node.needs_snapshot = False
            self._to_all(node, [node.router.local_rooms.all_rooms()])
        for other in self.nodes:
            said = node.batch_counters.sent.get(other.name, 0)
            # a heartbeat's batch number stands for those of the batches before
            self._transmit(node, other, Batch(node.name, None, [], -said - 1))

    def _arrive(self, sender: Node, receiver: Node, data: bytes) -> None:
        batch = decode(data)
        complete = True
        if batch.node_number is not None and batch.node_number < 0:
            complete = receiver.batch_counters.has_all(sender.name, -batch.node_number - 1)
        elif batch.node_number is not None:
            complete = receiver.batch_counters.received(sender.name, batch.node_number)
        if not complete:
            self._deliver(receiver, receiver.router.reset(sender.name, self.now))
        messages = [message for message in batch.messages if isinstance(message, RoutingMessage)]
        self._deliver(receiver, receiver.router.receive_node(sender.name, messages, self.now))

    def _schedule_summaries(self, node: Node) -> None:
        if node.summaries_at is None:
            node.summaries_at = self.now + ROOMS_INTERVAL_S

    def _to_all(self, node: Node, messages: list[Any]) -> None:
        for other in self.nodes:
            self._transmit(node, other, Batch(node.name, None, messages))

    def _transmit(self, sender: Node, receiver: Node, batch: Batch) -> None:
        if sender is receiver:
            return
        if self.now < self.disconnected_until:
            sender.needs_snapshot = True
            return
        pair = sender.name, receiver.name
        due = max(self._last[pair], self.now + self.random.uniform(0, self.delay_s))
        self._last[pair] = due
        entry = (due, next(self._numbers), sender, receiver, encode(batch))
        heapq.heappush(self._in_transit, entry)

    def _deliver(self, node: Node, effects: Effects) -> None:
        for frame in effects.frames:
            for member in frame.to:
                if self.node_of.get(member) is node:
                    self._check_message(node, member, msgspec.json.decode(frame.data))
        by_node: dict[NodeId, list[Any]] = {}
        for name, message in effects.node_messages:
            assert name != node.name
            by_node.setdefault(name, []).append(message)
        for other in self.nodes:
            if other.name in by_node:
                number = node.batch_counters.next_number(other.name)
                self._transmit(node, other, Batch(node.name, None, by_node[other.name], number))
        node.expelled += effects.expelled
        assert all(size < HARD_LIMIT for size in node.router.local_rooms.rooms.sizes)

    def _check_message(self, node: Node, member: MemberId, message: dict[str, Any]) -> None:
        """Check the order of a viewer's messages."""
        received = node.received[member]
        rosters = [m for m in received if m["type"] == "room"]
        if message["type"] == "room":
            assert message["you"] == member
            assert member in [line["id"] for line in message["members"]]
            if not rosters:
                assert self.now - node.joined_at[member] <= JOIN_ANSWER_TIMEOUT_S + 1e-6
            elif rosters[-1]["room"] == message["room"] and received[-1]["type"] != "stream":
                assert message["epoch"] > rosters[-1]["epoch"]
        elif message["type"] == "segment":
            assert message["epoch"] == rosters[-1]["epoch"]
        received.append(message)
        assert received[0]["type"] == "stream"

    def check(self) -> None:
        """Every viewer is in exactly one room, and knows which."""
        alive = [node for node in self.nodes if node.alive]
        rooms_by_node = {node.name: node.router.local_rooms.rooms for node in alive}
        for member, node in self.node_of.items():
            room_node = node.router.node_of(member)
            assert [name for name, rooms in rooms_by_node.items() if member in rooms] == [room_node]
            assert room_node is not None
            assert self.roster(member)["room"] == rooms_by_node[room_node].room_of(member)
        for member in self.node_of:
            for entry in self.roster(member)["members"]:
                assert self.roster(entry["id"])["members"] == self.roster(member)["members"]
        assert sum(len(rooms) for rooms in rooms_by_node.values()) == len(self.node_of)

"""Several nodes of signaling, and a bus that keeps order and loses what it is told to lose."""

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
    """One node, and what its viewers have been told."""

    def __init__(self, name: str) -> None:
        self.name = NodeId(name)
        self.programme = BroadcastState()
        self.programme.set_stream(ON_AIR)
        self.seats = RedisRouter(self.name, self.programme)
        self.lines = BatchCounters()
        self.alive = True
        self.news_at: float | None = None
        self.tell_all = True
        """what was said to everybody may be lost"""
        self.told: dict[MemberId, list[dict[str, Any]]] = {}
        self.joined_at: dict[MemberId, float] = {}
        self.expelled: list[MemberId] = []


class Bus:
    """Several nodes, and what is under way between them."""

    def __init__(self, count: int, seed: int = 0, delay_s: float = DELAY_S) -> None:
        self.now = 0.0
        self.delay_s = delay_s
        self.random = random.Random(seed)
        self.nodes = [Node(f"n{k}") for k in range(count)]
        self.away_until = 0.0
        self._under_way: list[tuple[float, int, Node, Node, bytes]] = []
        self._numbers = itertools.count()
        self._last: dict[tuple[NodeId, NodeId], float] = defaultdict(float)
        self._beat_at = 0.0
        self._members = itertools.count()
        self.at: dict[MemberId, Node] = {}
        for node in self.nodes:
            node.seats.local_rooms.report_changes(lambda node=node: self._changed(node))
        self.wait(1)

    def join(self, number: int, variant: int = 0) -> MemberId:
        node = self.nodes[number]
        member = MemberId(f"m{next(self._members):04}")
        node.told[member] = []
        node.joined_at[member] = self.now
        self.at[member] = node
        address = f"10.0.0.{member}"
        self._take(
            node, node.seats.join(member, MemberState(variant, sharing=True), address, self.now)
        )
        return member

    def leave(self, member: MemberId) -> None:
        node = self.at.pop(member)
        self._take(node, node.seats.leave(member, self.now))
        del node.told[member]

    def say(self, member: MemberId, message: FromViewer) -> None:
        node = self.at[member]
        self._take(node, node.seats.receive(member, message, self.now))

    def segment(self, sequence: int) -> None:
        for node in self.nodes:
            if node.alive and node.programme.publish(descriptor(sequence)):
                self._take(node, node.seats.publish(descriptor(sequence), self.now))

    def kill(self, number: int) -> None:
        node = self.nodes[number]
        node.alive = False
        self.at = {member: at for member, at in self.at.items() if at is not node}

    def lose(self, sender: int, receiver: int) -> None:
        """Lose what is under way between two nodes."""
        pair = self.nodes[sender], self.nodes[receiver]
        kept = [entry for entry in self._under_way if (entry[2], entry[3]) != pair]
        self._under_way = kept
        heapq.heapify(self._under_way)
        pair[0].tell_all = True

    def go_away(self, seconds: float) -> None:
        """Lose all that is said for so long."""
        self._under_way.clear()
        self.away_until = self.now + seconds

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self._next_due()) <= end:
            self.now = max(self.now, due)
            self._step()
        self.now = end

    def room(self, member: MemberId) -> dict[str, Any]:
        """Return the last roster that a viewer was told."""
        return [m for m in self.at[member].told[member] if m["type"] == "room"][-1]

    def _next_due(self) -> float:
        dues = [self._beat_at, *(node.news_at for node in self.nodes if node.alive)]
        dues += [node.seats.due for node in self.nodes if node.alive]
        dues += [self._under_way[0][0]] if self._under_way else []
        return min(due for due in dues if due is not None)

    def _step(self) -> None:
        if self._beat_at <= self.now:
            self._beat_at += HEARTBEAT_S
            for node in self.nodes:
                if node.alive:
                    self._beat(node)
        for node in self.nodes:
            if node.alive and node.news_at is not None and node.news_at <= self.now:
                node.news_at = None
                self._to_all(node, [node.seats.local_rooms.changed_rooms()])
            due = node.seats.due
            if node.alive and due is not None and due <= self.now:
                self._take(node, node.seats.tick(self.now))
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, sender, receiver, data = heapq.heappop(self._under_way)
            if receiver.alive:
                self._arrive(sender, receiver, data)

    def _beat(self, node: Node) -> None:
        self._take(node, node.seats.expire_nodes(self.now))
        if node.tell_all and self.now >= self.away_until:
            node.tell_all = False
            self._to_all(node, [node.seats.local_rooms.all_rooms()])
        for other in self.nodes:
            said = node.lines.sent.get(other.name, 0)
            # a beat's line is what it says of the lines before
            self._put(node, other, Batch(node.name, None, [], -said - 1))

    def _arrive(self, sender: Node, receiver: Node, data: bytes) -> None:
        batch = decode(data)
        complete = True
        if batch.node_number is not None and batch.node_number < 0:
            complete = receiver.lines.has_all(sender.name, -batch.node_number - 1)
        elif batch.node_number is not None:
            complete = receiver.lines.received(sender.name, batch.node_number)
        if not complete:
            self._take(receiver, receiver.seats.reset(sender.name, self.now))
        messages = [message for message in batch.messages if isinstance(message, RoutingMessage)]
        self._take(receiver, receiver.seats.receive_node(sender.name, messages, self.now))

    def _changed(self, node: Node) -> None:
        if node.news_at is None:
            node.news_at = self.now + ROOMS_INTERVAL_S

    def _to_all(self, node: Node, messages: list[Any]) -> None:
        for other in self.nodes:
            self._put(node, other, Batch(node.name, None, messages))

    def _put(self, sender: Node, receiver: Node, batch: Batch) -> None:
        if sender is receiver:
            return
        if self.now < self.away_until:
            sender.tell_all = True
            return
        pair = sender.name, receiver.name
        due = max(self._last[pair], self.now + self.random.uniform(0, self.delay_s))
        self._last[pair] = due
        entry = (due, next(self._numbers), sender, receiver, encode(batch))
        heapq.heappush(self._under_way, entry)

    def _take(self, node: Node, sent: Effects) -> None:
        for frame in sent.frames:
            for member in frame.to:
                if self.at.get(member) is node:
                    self._told(node, member, msgspec.json.decode(frame.data))
        said: dict[NodeId, list[Any]] = {}
        for name, message in sent.node_messages:
            assert name != node.name
            said.setdefault(name, []).append(message)
        for other in self.nodes:
            if other.name in said:
                number = node.lines.next_number(other.name)
                self._put(node, other, Batch(node.name, None, said[other.name], number))
        node.expelled += sent.expelled
        assert all(size < HARD_LIMIT for size in node.seats.local_rooms.rooms.sizes)

    def _told(self, node: Node, member: MemberId, message: dict[str, Any]) -> None:
        """Check the order of what a viewer is told."""
        before = node.told[member]
        rooms = [m for m in before if m["type"] == "room"]
        if message["type"] == "room":
            assert message["you"] == member
            assert member in [line["id"] for line in message["members"]]
            if not rooms:
                assert self.now - node.joined_at[member] <= JOIN_ANSWER_TIMEOUT_S + 1e-6
            elif rooms[-1]["room"] == message["room"] and before[-1]["type"] != "stream":
                assert message["epoch"] > rooms[-1]["epoch"]
        elif message["type"] == "segment":
            assert message["epoch"] == rooms[-1]["epoch"]
        before.append(message)
        assert before[0]["type"] == "stream"

    def check(self) -> None:
        """Everybody sits in exactly one room, and knows which."""
        alive = [node for node in self.nodes if node.alive]
        houses = {node.name: node.seats.local_rooms.rooms for node in alive}
        for member, node in self.at.items():
            place = node.seats.node_of(member)
            assert [name for name, rooms in houses.items() if member in rooms] == [place]
            assert place is not None
            assert self.room(member)["room"] == houses[place].room_of(member)
        for member in self.at:
            for line in self.room(member)["members"]:
                assert self.room(line["id"])["members"] == self.room(member)["members"]
        assert sum(len(rooms) for rooms in houses.values()) == len(self.at)

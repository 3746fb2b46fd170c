"""Rooms over several nodes, on a bus that keeps order and loses what it is told to lose."""

import heapq
import itertools
import random
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from shoal.announcements import Stream
from shoal.signaling.cluster.lines import Lines
from shoal.signaling.cluster.messages import Batch, decode, encode
from shoal.signaling.cluster.nodes import BEAT_S
from shoal.signaling.cluster.seating import NodeId, Seating
from shoal.signaling.cluster.seats import ANSWER_S, SILENCE_LIMIT_S, Seats
from shoal.signaling.cluster.sent import Sent
from shoal.signaling.programme import Programme
from shoal.signaling.rooms.messages import FromViewer, Links, MemberId, Report, Signal, Switch
from shoal.signaling.rooms.moves import BADLY_LINKED_AFTER_S, MINORITY_AFTER_S
from shoal.signaling.rooms.rooms import HARD_LIMIT, LOOK_S, MERGE_AFTER_S, SOFT_LIMIT
from shoal.signaling.rooms.roster import Seat
from tests.unit.signaling.make import descriptor

ON_AIR = Stream("abc", live=True)
ROOMS_INTERVAL_S = 0.25
GONE_WITHIN_S = 15.0
DELAY_S = 0.4
SLOW_S = 0.52
"""then some answers come too late"""


class Node:
    """One node, and what its viewers have been told."""

    def __init__(self, name: str) -> None:
        self.name = NodeId(name)
        self.programme = Programme()
        self.programme.announce(ON_AIR)
        self.seats = Seats(self.name, self.programme)
        self.lines = Lines()
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
            node.seats.house.tell(lambda node=node: self._changed(node))
        self.wait(1)

    def join(self, number: int, variant: int = 0) -> MemberId:
        node = self.nodes[number]
        member = MemberId(f"m{next(self._members):04}")
        node.told[member] = []
        node.joined_at[member] = self.now
        self.at[member] = node
        address = f"10.0.0.{member}"
        self._take(node, node.seats.join(member, Seat(variant, sharing=True), address, self.now))
        return member

    def leave(self, member: MemberId) -> None:
        node = self.at.pop(member)
        self._take(node, node.seats.leave(member, self.now))
        del node.told[member]

    def say(self, member: MemberId, message: FromViewer) -> None:
        node = self.at[member]
        self._take(node, node.seats.hear(member, message, self.now))

    def segment(self, sequence: int) -> None:
        for node in self.nodes:
            if node.alive and node.programme.publish(descriptor(sequence)):
                self._take(node, node.seats.segment(descriptor(sequence), self.now))

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
            self._beat_at += BEAT_S
            for node in self.nodes:
                if node.alive:
                    self._beat(node)
        for node in self.nodes:
            if node.alive and node.news_at is not None and node.news_at <= self.now:
                node.news_at = None
                self._to_all(node, [node.seats.house.news()])
            due = node.seats.due
            if node.alive and due is not None and due <= self.now:
                self._take(node, node.seats.tick(self.now))
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, sender, receiver, data = heapq.heappop(self._under_way)
            if receiver.alive:
                self._arrive(sender, receiver, data)

    def _beat(self, node: Node) -> None:
        self._take(node, node.seats.expire(self.now))
        if node.tell_all and self.now >= self.away_until:
            node.tell_all = False
            self._to_all(node, [node.seats.house.all_rooms()])
        for other in self.nodes:
            said = node.lines.said.get(other.name, 0)
            # a beat's line is what it says of the lines before
            self._put(node, other, Batch(node.name, None, [], -said - 1))

    def _arrive(self, sender: Node, receiver: Node, data: bytes) -> None:
        batch = decode(data)
        complete = True
        if batch.line is not None and batch.line < 0:
            complete = receiver.lines.has_all(sender.name, -batch.line - 1)
        elif batch.line is not None:
            complete = receiver.lines.arrived(sender.name, batch.line)
        if not complete:
            self._take(receiver, receiver.seats.lost(sender.name, self.now))
        messages = [message for message in batch.messages if isinstance(message, Seating)]
        self._take(receiver, receiver.seats.hear_node(sender.name, messages, self.now))

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

    def _take(self, node: Node, sent: Sent) -> None:
        for frame in sent.frames:
            for member in frame.to:
                if self.at.get(member) is node:
                    self._told(node, member, msgspec.json.decode(frame.data))
        said: dict[NodeId, list[Any]] = {}
        for name, message in sent.nodes:
            assert name != node.name
            said.setdefault(name, []).append(message)
        for other in self.nodes:
            if other.name in said:
                number = node.lines.next(other.name)
                self._put(node, other, Batch(node.name, None, said[other.name], number))
        node.expelled += sent.expelled
        assert all(size < HARD_LIMIT for size in node.seats.house.rooms.sizes)

    def _told(self, node: Node, member: MemberId, message: dict[str, Any]) -> None:
        """Check the order of what a viewer is told."""
        before = node.told[member]
        rooms = [m for m in before if m["type"] == "room"]
        if message["type"] == "room":
            assert message["you"] == member
            assert member in [line["id"] for line in message["members"]]
            if not rooms:
                assert self.now - node.joined_at[member] <= ANSWER_S + 1e-6
            elif rooms[-1]["room"] == message["room"] and before[-1]["type"] != "stream":
                assert message["epoch"] > rooms[-1]["epoch"]
        elif message["type"] == "segment":
            assert message["epoch"] == rooms[-1]["epoch"]
        before.append(message)
        assert before[0]["type"] == "stream"

    def check(self) -> None:
        """Everybody sits in exactly one room, and knows which."""
        alive = [node for node in self.nodes if node.alive]
        houses = {node.name: node.seats.house.rooms for node in alive}
        for member, node in self.at.items():
            place = node.seats.place_of(member)
            assert [name for name, rooms in houses.items() if member in rooms] == [place]
            assert place is not None
            assert self.room(member)["room"] == houses[place].room_of(member)
        for member in self.at:
            for line in self.room(member)["members"]:
                assert self.room(line["id"])["members"] == self.room(member)["members"]
        assert sum(len(rooms) for rooms in houses.values()) == len(self.at)


def rooms_of(bus: Bus, members: list[MemberId]) -> set[str]:
    return {bus.room(member)["room"] for member in members}


def test_who_comes_to_another_node_is_seated_in_the_fullest_room_of_all() -> None:
    bus = Bus(3)
    first = [bus.join(0) for _ in range(3)]
    bus.wait(2)
    late = [bus.join(1), bus.join(2)]
    bus.wait(2)
    assert len(rooms_of(bus, first + late)) == 1
    assert len(bus.room(first[0])["members"]) == 5
    assert [m["type"] for m in bus.nodes[1].told[late[0]]][:2] == ["stream", "room"]
    bus.leave(late[0])
    bus.wait(1)
    assert len(bus.room(first[0])["members"]) == 4
    bus.check()


def test_like_sits_with_like_on_whatever_node() -> None:
    bus = Bus(3)
    zero = [bus.join(0, variant=0) for _ in range(SOFT_LIMIT)]
    one = [bus.join(1, variant=1) for _ in range(2)]
    bus.wait(2)
    more = [bus.join(2, variant=1) for _ in range(3)]
    bus.wait(2)
    assert rooms_of(bus, more) == rooms_of(bus, one)
    assert rooms_of(bus, more) != rooms_of(bus, zero)


def test_nobody_sits_alone_while_other_nodes_have_full_rooms() -> None:
    bus = Bus(2)
    full = [bus.join(0) for _ in range(SOFT_LIMIT)]
    bus.wait(2)
    late = bus.join(1)
    bus.wait(2)
    assert rooms_of(bus, [*full, late]) == rooms_of(bus, full)


def test_segments_and_signals_reach_who_sits_elsewhere() -> None:
    bus = Bus(3)
    ann = bus.join(0)
    bus.wait(2)
    ben, cy = bus.join(1), bus.join(2)
    bus.wait(2)
    bus.segment(1)
    bus.say(ben, Signal(cy, msgspec.Raw(b'{"sdp":"v=0"}')))
    bus.wait(2)
    for member in (ann, ben, cy):
        segments = [m for m in bus.at[member].told[member] if m["type"] == "segment"]
        assert [m["descriptor"]["sequence"] for m in segments] == [1]
    assert bus.nodes[2].told[cy][-1] == {"type": "signal", "from": ben, "data": {"sdp": "v=0"}}


def test_complaints_from_two_nodes_expel_who_sits_at_a_third() -> None:
    bus = Bus(3)
    ann = bus.join(0)
    bus.wait(2)
    liar, cy = bus.join(1), bus.join(2)
    bus.wait(2)
    bus.say(ann, Report(liar))
    bus.wait(1)
    assert bus.nodes[1].expelled == []
    bus.say(cy, Report(liar))
    bus.wait(1)
    assert bus.nodes[1].expelled == [liar]


def test_a_node_that_does_not_answer_keeps_a_viewer_waiting_once() -> None:
    bus = Bus(2)
    bus.join(0)
    bus.wait(2)
    bus.kill(0)
    ann = bus.join(1)
    bus.wait(ANSWER_S - 0.01)
    assert bus.nodes[1].told[ann] == []
    bus.wait(0.01)
    assert bus.room(ann)["room"].startswith("n1")
    ben = bus.join(1)
    assert bus.room(ben)["room"] == bus.room(ann)["room"]


@pytest.mark.parametrize("away", [False, True], ids=["node killed", "bus away"])
def test_who_sat_at_a_node_that_is_gone_stays_together(away: bool) -> None:
    bus = Bus(3)
    bus.join(0)
    bus.wait(2)
    here = [bus.join(1) for _ in range(4)]
    there = [bus.join(2) for _ in range(2)]
    bus.wait(2)
    assert len(rooms_of(bus, here + there)) == 1
    if away:
        bus.go_away(30)
    else:
        bus.kill(0)
    bus.wait(GONE_WITHIN_S)
    for group, node in ((here, "n1"), (there, "n2")):
        assert len(rooms_of(bus, group)) == 1
        assert bus.room(group[0])["room"].startswith(node)
        # all at once: nobody closes its links to the others in between
        assert [len(m["members"]) for m in bus.at[group[0]].told[group[0]] if m["type"] == "room"][
            -1
        ] == len(group)
    bus.wait(15)
    bus.check()
    bus.wait(2 * MERGE_AFTER_S + 4 * LOOK_S)
    assert len(rooms_of(bus, list(bus.at))) == 1  # small rooms of several nodes have merged
    bus.check()


def test_seats_of_a_viewers_node_that_is_gone_are_freed() -> None:
    bus = Bus(2)
    ann = bus.join(0)
    bus.wait(2)
    for _ in range(5):
        bus.join(1)
    bus.wait(2)
    assert len(bus.room(ann)["members"]) == 6
    bus.kill(1)
    bus.wait(GONE_WITHIN_S)
    assert len(bus.room(ann)["members"]) == 1


def test_who_is_badly_linked_or_a_minority_moves_to_a_room_of_another_node() -> None:
    bus = Bus(2)
    bus.go_away(5)
    here = [bus.join(0) for _ in range(20)]
    there = [bus.join(1, variant=1) for _ in range(19)]
    bus.wait(8)
    bus.say(here[0], Links(here[1:]))
    bus.say(here[1], Switch(1))
    bus.wait(max(BADLY_LINKED_AFTER_S, MINORITY_AFTER_S) + 4 * LOOK_S)
    assert rooms_of(bus, here[:2]) == rooms_of(bus, there)
    assert rooms_of(bus, here[2:]) != rooms_of(bus, there)
    bus.check()


def happen(bus: Bus, chance: random.Random) -> None:
    """Let something happen."""
    here = list(bus.at)
    one = chance.choice(here) if here else None
    node = chance.randrange(3)
    kinds = ["crowd", "leave", "switch", "cut", "wait", "lose", "away", "kill"]
    match chance.choices(kinds, [20, 10, 10, 10, 30, 10, 3, 1])[0]:
        case "crowd" if bus.nodes[node].alive:
            for k in range(chance.randrange(1, 14)):
                bus.join(node, k % 2)
        case "leave":
            for member in here[chance.randrange(60) :][: chance.randrange(14)]:
                bus.leave(member)
        case "switch" if one:
            bus.say(one, Switch(chance.randrange(2)))
        case "cut" if one:
            lines = bus.room(one)["members"] if bus.at[one].told[one] else []
            bus.say(one, Links([line["id"] for line in lines[: chance.randrange(14)]]))
        case "wait":
            bus.wait(chance.choice([0.3, 1, 1, 4, 4, 30]))
        case "lose":
            bus.lose(node, chance.randrange(3))
        case "away":
            bus.go_away(chance.choice([0.1, 3, 12]))
        case "kill" if sum(node.alive for node in bus.nodes) > 1:
            bus.kill(node)
        case _:
            pass


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_lost_everybody_sits_in_one_room(seed: int) -> None:
    bus, chance = Bus(3, seed, SLOW_S), random.Random(seed)
    for node in range(3):  # one room for all of them, to begin with
        bus.join(node)
        bus.wait(3)
    abroad = 0
    for number in range(80):
        happen(bus, chance)
        bus.segment(number)
        bus.wait(0.1)
        for member, node in bus.at.items():
            assert node.told[member] or bus.now - node.joined_at[member] <= ANSWER_S
            abroad += node.seats.place_of(member) not in {None, node.name}
    assert abroad  # or this would show nothing
    bus.wait(max(0.0, bus.away_until - bus.now) + SILENCE_LIMIT_S + 2 * BEAT_S)
    bus.check()

"""Rooms on several nodes."""

import random

import msgspec
import pytest

from shoal.signaling.cluster.redis_router import JOIN_ANSWER_TIMEOUT_S, NODE_TIMEOUT_S
from shoal.signaling.cluster.remote_nodes import HEARTBEAT_S
from shoal.signaling.rooms.messages import Links, MemberId, Report, Signal, SwitchVariant
from shoal.signaling.rooms.rebalancer import BADLY_LINKED_AFTER_S, MINORITY_AFTER_S
from shoal.signaling.rooms.rooms import MERGE_AFTER_S, REBALANCE_INTERVAL_S, SOFT_LIMIT
from tests.unit.signaling.cluster.simulated_cluster import SimulatedCluster

GONE_WITHIN_S = 15.0
SLOW_S = 0.52
"""so some answers come too late"""


def rooms_of(bus: SimulatedCluster, members: list[MemberId]) -> set[str]:
    return {bus.roster(member)["room"] for member in members}


def test_a_viewer_joins_the_fullest_room_of_all_nodes() -> None:
    bus = SimulatedCluster(3)
    first = [bus.join(0) for _ in range(3)]
    bus.wait(2)
    late = [bus.join(1), bus.join(2)]
    bus.wait(2)
    assert len(rooms_of(bus, first + late)) == 1
    assert len(bus.roster(first[0])["members"]) == 5
    assert [m["type"] for m in bus.nodes[1].received[late[0]]][:2] == ["stream", "room"]
    bus.leave(late[0])
    bus.wait(1)
    assert len(bus.roster(first[0])["members"]) == 4
    bus.check()


def test_viewers_of_a_variant_share_a_room_across_nodes() -> None:
    bus = SimulatedCluster(3)
    zero = [bus.join(0, variant=0) for _ in range(SOFT_LIMIT)]
    one = [bus.join(1, variant=1) for _ in range(2)]
    bus.wait(2)
    more = [bus.join(2, variant=1) for _ in range(3)]
    bus.wait(2)
    assert rooms_of(bus, more) == rooms_of(bus, one)
    assert rooms_of(bus, more) != rooms_of(bus, zero)


def test_nobody_is_alone_while_other_nodes_have_full_rooms() -> None:
    bus = SimulatedCluster(2)
    full = [bus.join(0) for _ in range(SOFT_LIMIT)]
    bus.wait(2)
    late = bus.join(1)
    bus.wait(2)
    assert rooms_of(bus, [*full, late]) == rooms_of(bus, full)


def test_segments_and_signals_reach_remote_members() -> None:
    bus = SimulatedCluster(3)
    ann = bus.join(0)
    bus.wait(2)
    ben, cy = bus.join(1), bus.join(2)
    bus.wait(2)
    bus.publish(1)
    bus.send(ben, Signal(cy, msgspec.Raw(b'{"sdp":"v=0"}')))
    bus.wait(2)
    for member in (ann, ben, cy):
        segments = [m for m in bus.node_of[member].received[member] if m["type"] == "segment"]
        assert [m["descriptor"]["sequence"] for m in segments] == [1]
    assert bus.nodes[2].received[cy][-1] == {"type": "signal", "from": ben, "data": {"sdp": "v=0"}}


def test_reports_from_two_nodes_expel_a_member_of_a_third() -> None:
    bus = SimulatedCluster(3)
    ann = bus.join(0)
    bus.wait(2)
    liar, cy = bus.join(1), bus.join(2)
    bus.wait(2)
    bus.send(ann, Report(liar))
    bus.wait(1)
    assert bus.nodes[1].expelled == []
    bus.send(cy, Report(liar))
    bus.wait(1)
    assert bus.nodes[1].expelled == [liar]


def test_a_node_that_does_not_answer_keeps_a_viewer_waiting_once() -> None:
    bus = SimulatedCluster(2)
    bus.join(0)
    bus.wait(2)
    bus.kill(0)
    ann = bus.join(1)
    bus.wait(JOIN_ANSWER_TIMEOUT_S - 0.01)
    assert bus.nodes[1].received[ann] == []
    bus.wait(0.01)
    assert bus.roster(ann)["room"].startswith("n1")
    ben = bus.join(1)
    assert bus.roster(ben)["room"] == bus.roster(ann)["room"]


@pytest.mark.parametrize("away", [False, True], ids=["node killed", "bus away"])
def test_members_of_a_room_on_a_lost_node_stay_together(away: bool) -> None:
    bus = SimulatedCluster(3)
    bus.join(0)
    bus.wait(2)
    here = [bus.join(1) for _ in range(4)]
    there = [bus.join(2) for _ in range(2)]
    bus.wait(2)
    assert len(rooms_of(bus, here + there)) == 1
    if away:
        bus.disconnect(30)
    else:
        bus.kill(0)
    bus.wait(GONE_WITHIN_S)
    for group, node in ((here, "n1"), (there, "n2")):
        assert len(rooms_of(bus, group)) == 1
        assert bus.roster(group[0])["room"].startswith(node)
        # all at once: nobody closes its links to the others in between
        assert [
            len(m["members"])
            for m in bus.node_of[group[0]].received[group[0]]
            if m["type"] == "room"
        ][-1] == len(group)
    bus.wait(15)
    bus.check()
    bus.wait(2 * MERGE_AFTER_S + 4 * REBALANCE_INTERVAL_S)
    assert len(rooms_of(bus, list(bus.node_of))) == 1  # small rooms of several nodes have merged
    bus.check()


def test_viewers_of_a_lost_node_are_removed() -> None:
    bus = SimulatedCluster(2)
    ann = bus.join(0)
    bus.wait(2)
    for _ in range(5):
        bus.join(1)
    bus.wait(2)
    assert len(bus.roster(ann)["members"]) == 6
    bus.kill(1)
    bus.wait(GONE_WITHIN_S)
    assert len(bus.roster(ann)["members"]) == 1


def test_badly_linked_and_minority_members_relocate_to_another_node() -> None:
    bus = SimulatedCluster(2)
    bus.disconnect(5)
    here = [bus.join(0) for _ in range(20)]
    there = [bus.join(1, variant=1) for _ in range(19)]
    bus.wait(8)
    bus.send(here[0], Links(here[1:]))
    bus.send(here[1], SwitchVariant(1))
    bus.wait(max(BADLY_LINKED_AFTER_S, MINORITY_AFTER_S) + 4 * REBALANCE_INTERVAL_S)
    assert rooms_of(bus, here[:2]) == rooms_of(bus, there)
    assert rooms_of(bus, here[2:]) != rooms_of(bus, there)
    bus.check()


def happen(bus: SimulatedCluster, chance: random.Random) -> None:
    """Let something happen."""
    here = list(bus.node_of)
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
            bus.send(one, SwitchVariant(chance.randrange(2)))
        case "cut" if one:
            lines = bus.roster(one)["members"] if bus.node_of[one].received[one] else []
            bus.send(one, Links([line["id"] for line in lines[: chance.randrange(14)]]))
        case "wait":
            bus.wait(chance.choice([0.3, 1, 1, 4, 4, 30]))
        case "lose":
            bus.lose(node, chance.randrange(3))
        case "away":
            bus.disconnect(chance.choice([0.1, 3, 12]))
        case "kill" if sum(node.alive for node in bus.nodes) > 1:
            bus.kill(node)
        case _:
            pass


@pytest.mark.parametrize("seed", range(20))
def test_every_viewer_is_in_one_room_whatever_is_lost(seed: int) -> None:
    bus, chance = SimulatedCluster(3, seed, SLOW_S), random.Random(seed)
    for node in range(3):  # one room for all of them at first
        bus.join(node)
        bus.wait(3)
    abroad = 0
    for number in range(80):
        happen(bus, chance)
        bus.publish(number)
        bus.wait(0.1)
        for member, node in bus.node_of.items():
            assert (
                node.received[member] or bus.now - node.joined_at[member] <= JOIN_ANSWER_TIMEOUT_S
            )
            abroad += node.router.node_of(member) not in {None, node.name}
    assert abroad  # otherwise this would show nothing
    bus.wait(max(0.0, bus.disconnected_until - bus.now) + NODE_TIMEOUT_S + 2 * HEARTBEAT_S)
    bus.check()

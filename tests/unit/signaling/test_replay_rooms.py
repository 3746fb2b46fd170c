"""Viewers of a replay share with each other only."""

import msgspec
import pytest

from shoal.announcements import KeptReplay
from shoal.api_types import BytesBySource, ReplayTotals
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.messages import NodeId
from shoal.signaling.replay_rooms import MAX_AHEAD_S, MAX_SPEED, ReplayRooms
from shoal.signaling.rooms.messages import MemberId, Report, Signal, Stats
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.stats.viewer_stats import StatsRefusal

ONE = KeptReplay("one-1", 60_000_000, 600.0)
OTHER = KeptReplay("other-1", 60_000_000, 600.0)
ANN, BEN, CAT = MemberId("ann"), MemberId("ben"), MemberId("cat")


def received(sent: Effects) -> list[tuple[MemberId, dict[str, object]]]:
    return [(to, msgspec.json.decode(frame.data)) for frame in sent.frames for to in frame.to]


def rosters(sent: Effects) -> dict[MemberId, list[str]]:
    return {
        to: [member["id"] for member in said["members"]]
        for to, said in received(sent)
        if said["type"] == "room" and isinstance(said["members"], list)
    }


def stats(p2p: int = 0, store: int = 0, uploaded: int = 0, peers: int = 0) -> Stats:
    return Stats(
        bytes=BytesBySource(p2p, store, 0),
        startup=BytesBySource(),
        uploaded=uploaded,
        peers=peers,
        stalls=0,
    )


@pytest.fixture
def replays() -> ReplayRooms:
    """Two viewers of one replay, and one of another."""
    rooms = ReplayRooms(NodeId("node"))
    for member, kept in ((ANN, ONE), (BEN, ONE), (CAT, OTHER)):
        rooms.join(member, kept, MemberState(0, sharing=True), f"10.0.0.{len(rooms)}", 100.0)
    return rooms


def test_rooms_are_of_one_replay(replays: ReplayRooms) -> None:
    dave = MemberId("dave")
    sent = replays.join(dave, ONE, MemberState(1, sharing=True), "10.0.0.9", 101.0)
    assert rosters(sent)[dave] == [ANN, BEN, dave]
    [(to, stream), *_] = received(sent)
    assert (to, stream) == (dave, {"type": "stream", "stream": None, "live": False})
    everybody = rosters(sent) | rosters(replays.tick(102.0))
    assert everybody == {member: [ANN, BEN, dave] for member in (ANN, BEN, dave)}


def test_messages_reach_their_own_room_only(replays: ReplayRooms) -> None:
    data = msgspec.Raw(b"{}")
    assert [to for to, _ in received(replays.receive(ANN, Signal(BEN, data), 101.0))] == [BEN]
    assert received(replays.receive(ANN, Signal(CAT, data), 101.0)) == []
    assert replays.receive(ANN, Report(BEN), 101.0).expelled == []
    dave = MemberId("dave")
    replays.join(dave, ONE, MemberState(0, sharing=True), "10.0.0.9", 101.0)
    assert replays.receive(dave, Report(BEN), 101.0).expelled == [BEN]


def test_totals_keep_the_reports_of_viewers_that_left(replays: ReplayRooms) -> None:
    assert replays.report_stats(ANN, stats(p2p=3_000, store=1_000, peers=1), 110.0) is None
    assert replays.report_stats(BEN, stats(store=4_000, uploaded=3_000, peers=1), 110.0) is None
    assert replays.totals() == ReplayTotals(
        viewers=3, linked=2, bytes=BytesBySource(3_000, 5_000, 0), uploaded=3_000
    )
    replays.leave(ANN, 111.0)
    assert replays.totals() == ReplayTotals(
        viewers=2, linked=1, bytes=BytesBySource(3_000, 5_000, 0), uploaded=3_000
    )
    assert ANN not in replays
    assert BEN in replays


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        (stats(p2p=-1), "negative"),
        (stats(store=10**12), "too_fast"),
        (stats(p2p=int(100_000 * (MAX_SPEED * 10 + MAX_AHEAD_S)) + 1), "too_much"),
        (stats(uploaded=2 * int(100_000 * (MAX_SPEED * 10 + MAX_AHEAD_S)) + 1), "too_much"),
    ],
)
def test_an_implausible_report_changes_nothing(
    replays: ReplayRooms, said: Stats, refusal: StatsRefusal
) -> None:
    before = replays.totals()
    assert replays.report_stats(ANN, said, 110.0) == refusal
    assert replays.totals() == before


def test_a_replay_without_viewers_is_forgotten(replays: ReplayRooms) -> None:
    for member in (ANN, BEN, CAT):
        replays.leave(member, 120.0)
    assert len(replays) == 0
    assert replays.due is None
    assert replays.tick(1_000.0).frames == []

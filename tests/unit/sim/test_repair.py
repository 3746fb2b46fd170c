"""How viewers of `make sim` repair late pieces: by the player's rules and constants."""

import re
from pathlib import Path

import pytest

from shoal.signaling.rooms.plan import Slice
from tests.bench import (
    sim,
    sim_exchange,
    sim_latency,
    sim_links,
    sim_repair,
    sim_station,
    sim_uplink,
)
from tests.bench.sim_repair import ExpectedTime, RepairView, repair

PLAYER = Path(__file__).parents[3] / "player" / "src"
SLICE = Slice(0, 2, "owner", ("one", "two"))


def view(
    you: str,
    elapsed_s: float,
    availability: list[int],
    *,
    pushed: bool = True,
    open_requests: int = 0,
    quiet_s: float = 9.0,
) -> RepairView:
    """Return a view without a slice's first piece, late after 1 s; all members are linked."""
    linked = list(range(len(availability)))
    return RepairView(
        you,
        elapsed_s,
        1.0,
        [(0, SLICE, pushed, quiet_s)],
        linked,
        availability,
        lambda _: open_requests,
    )


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("engine/repair", "MAX_REQUESTS", sim_repair.MAX_REQUESTS),
        ("engine/source-health", "INITIAL_EXPECTED_MS", sim_repair.INITIAL_S * 1_000),
        ("engine/source-health", "MIN_EXPECTED_MS", sim_repair.MIN_S * 1_000),
        ("engine/source-health", "MAX_EXPECTED_MS", sim_repair.MAX_S * 1_000),
        ("engine/piece-sharing", "HAVE_INTERVAL_MS", sim_exchange.HAVE_INTERVAL_S * 1_000),
        ("engine/piece-sharing", "REQUEST_TIMEOUT_MS", sim_exchange.REQUEST_TIMEOUT_S * 1_000),
        ("engine/deadline", "MAX_DEADLINE_S", sim_latency.MAX_DEADLINE_S),
        ("engine/deadline", "DEADLINE_SEGMENTS", sim_latency.DEADLINE_SEGMENTS),
        ("engine/deadline", "PEER_DEADLINE_SEGMENTS", sim_latency.PEER_DEADLINE_SEGMENTS),
        ("engine/stats", "MAX_COMPLETIONS", sim_latency.MAX_COMPLETIONS),
        ("hls/latency", "INITIAL_COMPLETION_S", sim_latency.INITIAL_COMPLETION_S),
        ("hls/latency", "MAX_SEGMENTS", sim_latency.MAX_SEGMENTS),
        ("hls/latency", "SPARE_SEGMENTS", sim_latency.SPARE_SEGMENTS),
        ("hls/latency", "MAX_SPARE_SEGMENTS", sim_latency.MAX_SPARE_SEGMENTS),
        ("hls/latency", "MIN_LATENCY_CHANGE_S", sim_latency.MIN_LATENCY_CHANGE_S),
        ("engine/stats", "MAX_STARTUP_MS", sim.MAX_STARTUP_S * 1_000),
        ("room/roster", "READY_LINKS_FRACTION", sim_station.READY_LINKS_FRACTION),
        ("webrtc/pacing", "PACE", sim_uplink.PACE),
        ("webrtc/pacing", "MAX_WAIT_MS", sim_uplink.MAX_WAIT_S * 1_000),
        ("webrtc/pacing", "PROBE_AFTER_MS", sim_uplink.PROBE_AFTER_S * 1_000),
        ("webrtc/uplink-estimator", "FORGET_AFTER_MS", sim_uplink.FORGET_AFTER_S * 1_000),
        ("webrtc/mesh", "MAX_UNFINISHED_OFFERS", sim_links.MAX_UNFINISHED),
        ("webrtc/mesh", "FIRST_RETRY_MS", sim_links.FIRST_RETRY_S * 1_000),
        ("webrtc/mesh", "MAX_RETRY_MS", sim_links.MAX_RETRY_S * 1_000),
        ("webrtc/connection", "CONNECT_TIMEOUT_MS", sim_links.ATTEMPT_S * 1_000),
    ],
)
def test_constants_match_the_player(module: str, name: str, value: float) -> None:
    source = (PLAYER / f"{module}.ts").read_text()
    found = re.search(rf"^(?:export )?const {name} = ([\d_.]+);", source, re.MULTILINE)
    assert found is not None
    assert float(found[1].replace("_", "")) == value


def test_expected_time_is_the_mean_and_four_deviations_within_bounds() -> None:
    expected = ExpectedTime()
    assert expected.seconds == sim_repair.INITIAL_S
    expected.add(0.5)
    assert expected.seconds == pytest.approx(0.5 + 4 * 0.25)
    for _ in range(100):
        expected.add(0.5)
    assert expected.seconds == pytest.approx(0.5, abs=0.01)
    for _ in range(100):
        expected.add(9.0)
    assert expected.seconds == sim_repair.MAX_S


def test_a_late_piece_is_requested_from_a_holder() -> None:
    assert repair(view("me", 0.9, [0, 1])) == ([], [])
    assert repair(view("me", 1.0, [0, 1])) == ([(0, 1)], [])
    assert repair(view("me", 1.0, [2, 0])) == ([], [])
    assert repair(view("me", 1.0, [1, 1], open_requests=sim_repair.MAX_REQUESTS)) == ([], [])


def test_a_piece_that_nobody_will_push_is_requested_at_once() -> None:
    assert repair(view("me", 0.1, [1], pushed=False)) == ([(0, 0)], [])


def test_requests_are_spread_over_holders() -> None:
    several = view("me", 1.0, [3, 3])
    several.missing = [(0, SLICE, True, 9.0), (1, SLICE, True, 9.0)]
    assert repair(several) == ([(0, 0), (1, 1)], [])


def test_successors_take_turns_when_most_members_lack_a_piece() -> None:
    assert repair(view("one", 1.0, [0, 0, 1])) == ([], [0])
    assert repair(view("one", 1.0, [0, 1])) == ([(0, 1)], [])
    assert repair(view("two", 1.9, [0, 0])) == ([], [])
    assert repair(view("two", 2.0, [0, 0])) == ([], [0])


def test_a_pusher_that_still_delivers_gets_twice_the_time() -> None:
    assert repair(view("me", 1.5, [1], quiet_s=0.5)) == ([], [])
    assert repair(view("me", 2.0, [1], quiet_s=0.5)) == ([(0, 0)], [])
    assert repair(view("me", 1.5, [1], quiet_s=1.0)) == ([(0, 0)], [])

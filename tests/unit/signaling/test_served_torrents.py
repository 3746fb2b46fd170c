"""Which torrents are served, and to whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.signaling.access import TokenVerdict
from shoal.signaling.tracker import served_torrents as rules
from shoal.signaling.tracker.messages import InfoHash
from shoal.signaling.tracker.served_torrents import (
    MAX_LIVE_SWARMS,
    MAX_REPLAY_TORRENTS,
    REGISTRATION_S,
    Credentials,
    ServedTorrents,
)

LIVE = InfoHash("l" * 20)
TORRENT = InfoHash("".join(chr(n) for n in range(236, 256)))
NOTHING, VIEWER, SEEDER = (
    Credentials("missing", False),
    Credentials("ok", False),
    Credentials("missing", True),
)


def named(number: int) -> InfoHash:
    return InfoHash(f"{number:020d}")


@pytest.mark.parametrize("verdict", ["missing", "invalid", "expired"])
def test_the_live_swarm_requires_a_token(verdict: TokenVerdict) -> None:
    served = ServedTorrents()
    served.add_live_swarms([LIVE])
    assert served.refusal(LIVE, Credentials(verdict, False), 0.0) == f"token_{verdict}"
    assert served.refusal(LIVE, VIEWER, 0.0) is None


def test_no_token_opens_another_torrent() -> None:
    served = ServedTorrents()
    served.add_live_swarms([LIVE])
    assert served.refusal(TORRENT, VIEWER, 0.0) == "unknown_torrent"
    assert served.refusal(TORRENT, NOTHING, 0.0) == "unknown_torrent"


def test_the_torrents_of_replays_are_for_everybody() -> None:
    served = ServedTorrents()
    served.add_replay_torrents([TORRENT])
    served.expire(1e9)
    assert served.refusal(TORRENT, NOTHING, 1e9) is None
    assert list(served.replay_torrents) == [TORRENT]
    # another node, which knows none, takes none away
    served.add_replay_torrents([])
    assert served.refusal(TORRENT, NOTHING, 1e9) is None
    served.add_replay_torrents([named(number) for number in range(MAX_REPLAY_TORRENTS)])
    assert served.refusal(TORRENT, VIEWER, 1e9) == "unknown_torrent"
    assert len(list(served)) == MAX_REPLAY_TORRENTS


def test_torrents_of_the_seeder_are_for_everybody_for_a_while() -> None:
    served, told = ServedTorrents(), list[InfoHash]()
    served.on_registered = told.append
    assert served.refusal(TORRENT, SEEDER, 0.0) is None
    assert told == [TORRENT]
    assert served.refusal(TORRENT, NOTHING, REGISTRATION_S - 1) is None
    assert served.refusal(TORRENT, NOTHING, REGISTRATION_S) == "unknown_torrent"
    served.refusal(TORRENT, SEEDER, 500.0)
    assert served.refusal(TORRENT, NOTHING, REGISTRATION_S + 1) is None
    assert told == [TORRENT, TORRENT]


def test_swarms_of_older_playlists_stay_up_to_a_limit() -> None:
    served = ServedTorrents()
    for number in range(3 * MAX_LIVE_SWARMS):
        served.add_live_swarms([LIVE, named(number)])
    assert served.refusal(named(3 * MAX_LIVE_SWARMS - 2), VIEWER, 0.0) is None
    assert served.refusal(named(0), VIEWER, 0.0) == "unknown_torrent"
    assert served.refusal(LIVE, VIEWER, 0.0) is None
    assert len(served.live_swarms) == MAX_LIVE_SWARMS
    served.add_live_swarms([named(number) for number in range(1_000)])
    assert len(served.live_swarms) == MAX_LIVE_SWARMS


def test_the_oldest_registered_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_REGISTERED", 3)
    served = ServedTorrents()
    for number in range(4):
        served.register(named(number), float(number))
    served.register(named(1), 5.0)
    served.register(named(4), 6.0)
    assert list(served.registered) == [named(3), named(1), named(4)]
    assert list(served) == [named(3), named(1), named(4)]


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 400)), max_size=60))
def test_forgetting_changes_nothing_for_anybody(events: list[tuple[int, float]]) -> None:
    """`expire` only frees memory: only the seeder's last announce decides what is served."""
    one, two = ServedTorrents(), ServedTorrents()
    last: dict[int, float] = {}
    now = 0.0
    for number, step in events:
        now += step
        one.register(named(number), now)
        two.register(named(number), now)
        last[number] = now
        one.expire(now)
        assert set(one.registered) == {
            named(n) for n, at in last.items() if at + REGISTRATION_S > now
        }
        for other in range(10):
            is_served = last.get(other, -REGISTRATION_S) + REGISTRATION_S > now
            for served in (one, two):
                assert (served.refusal(named(other), NOTHING, now) is None) == is_served

"""The ledger on a real disk."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from shoal.broadcaster.recordings.database import Ledger
from tests.unit.broadcaster.recordings.test_recordings import hole, replay, segment


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def settle_all(ledger: Ledger) -> None:
    while (due := ledger.next_due()) is not None:
        ledger.settle(due, "kept")


def test_a_recording_goes_its_way(ledger: Ledger) -> None:
    assert ledger.open_recording() is None
    ledger.begin("a-0")
    ledger.add("a-0", [segment(0), hole(1), segment(2), segment(0, 1)])
    ledger.add("a-0", [segment(2), segment(3)])  # seen again
    assert ledger.newest("a-0") == {0: 3, 1: 0}
    assert [due.segment.sequence for due in ledger.due()] == [0, 2, 0, 3]
    assert ledger.recorded_bytes() == 4 * 500_000
    first = ledger.next_due()
    assert first is not None
    ledger.settle(first, "lost")
    ledger.end("a-0")
    assert ledger.open_recording() is None
    assert ledger.complete() == []  # three are still to be copied
    settle_all(ledger)
    assert ledger.complete() == ["a-0"]
    ledger.name_renditions("a-0", {0: "BANDWIDTH=1", 1: "BANDWIDTH=2"})
    whole = ledger.whole("a-0")
    assert [s.name is not None for s in whole.renditions[0]] == [False, False, True, True]
    assert whole.attributes == {0: "BANDWIDTH=1", 1: "BANDWIDTH=2"}


def test_a_replay_is_listed_shared_and_goes(ledger: Ledger) -> None:
    ledger.begin("a-0")
    ledger.add("a-0", [segment(0)])
    ledger.end("a-0")
    settle_all(ledger)
    ledger.list_replay(replay("a-0", 1.0))
    assert (ledger.complete(), ledger.listed(), ledger.recorded_bytes()) == ([], ["a-0"], 0)
    shared = msgspec.structs.replace(replay("a-0", 1.0), infohash="00" * 20)
    ledger.list_replay(shared)
    ledger.drop("a-0")
    assert (ledger.replays(), ledger.listed()) == ([shared], [])
    ledger.let_go("a-0")
    assert (ledger.replays(), ledger.going()) == ([], ["a-0"])
    ledger.forget("a-0")
    assert ledger.going() == []


def test_all_of_it_outlives_the_process(tmp_path: Path) -> None:
    before = Ledger(tmp_path)
    before.begin("a-0")
    before.add("a-0", [segment(0), segment(1)])
    due = before.next_due()
    assert due is not None
    before.settle(due, "kept")
    before.fill_up("a-0")
    before.note("restored")
    # killed: never closed
    after = Ledger(tmp_path)
    assert after.open_recording() == "a-0"
    assert after.is_full("a-0")
    assert [item.segment.sequence for item in after.due()] == [1]
    assert after.noted("restored")
    assert not after.noted("other")
    for ledger in (before, after):
        ledger.close()


def test_a_full_disk_takes_nothing_or_all_and_is_outlived(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.begin("a-0")
    database = ledger._db  # pyright: ignore[reportPrivateUsage]
    [pages] = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ledger.add("a-0", [segment(n) for n in range(1_000)])
    assert ledger.newest("a-0") == {}
    ledger.add("a-0", [segment(0)])
    assert ledger.newest("a-0") == {0: 0}

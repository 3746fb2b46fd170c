"""The database on a real disk."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from shoal.broadcaster.recordings.database import RecordingsDatabase
from tests.unit.broadcaster.recordings.test_recordings import gap, replay, segment


@pytest.fixture
def database(tmp_path: Path) -> RecordingsDatabase:
    return RecordingsDatabase(tmp_path)


def finish_all_copies(database: RecordingsDatabase) -> None:
    while (copy := database.next_pending()) is not None:
        database.finish_copy(copy, "kept")


def test_a_recording_from_start_to_completion(database: RecordingsDatabase) -> None:
    assert database.open_recording() is None
    database.start("a-0")
    database.append("a-0", [segment(0), gap(1), segment(2), segment(0, 1)])
    database.append("a-0", [segment(2), segment(3)])  # again
    assert database.last_sequences("a-0") == {0: 3, 1: 0}
    assert [copy.segment.sequence for copy in database.pending()] == [0, 2, 0, 3]
    assert database.recorded_bytes() == 4 * 500_000
    first = database.next_pending()
    assert first is not None
    database.finish_copy(first, "lost")
    database.end("a-0")
    assert database.open_recording() is None
    assert database.completed() == []  # three have still to be copied
    finish_all_copies(database)
    assert database.completed() == ["a-0"]
    database.set_attributes("a-0", {0: "BANDWIDTH=1", 1: "BANDWIDTH=2"})
    recording = database.load("a-0")
    assert [s.name is not None for s in recording.variants[0]] == [False, False, True, True]
    assert recording.attributes == {0: "BANDWIDTH=1", 1: "BANDWIDTH=2"}


def test_a_replay_is_listed_gets_a_torrent_and_is_deleted(database: RecordingsDatabase) -> None:
    database.start("a-0")
    database.append("a-0", [segment(0)])
    database.end("a-0")
    finish_all_copies(database)
    database.save_replay(replay("a-0", 1.0))
    assert (database.completed(), database.without_torrent(), database.recorded_bytes()) == (
        [],
        ["a-0"],
        0,
    )
    with_torrent = msgspec.structs.replace(replay("a-0", 1.0), infohash="00" * 20)
    database.save_replay(with_torrent)
    database.delete_recording("a-0")
    assert (database.replays(), database.without_torrent()) == ([with_torrent], [])
    database.mark_for_deletion("a-0")
    assert (database.replays(), database.marked_for_deletion()) == ([], ["a-0"])
    database.delete_replay("a-0")
    assert database.marked_for_deletion() == []


def test_everything_outlives_the_process(tmp_path: Path) -> None:
    before = RecordingsDatabase(tmp_path)
    before.start("a-0")
    before.append("a-0", [segment(0), segment(1)])
    copy = before.next_pending()
    assert copy is not None
    before.finish_copy(copy, "kept")
    before.mark_full("a-0")
    before.set_flag("restored")
    # killed: never closed
    after = RecordingsDatabase(tmp_path)
    assert after.open_recording() == "a-0"
    assert after.is_full("a-0")
    assert [item.segment.sequence for item in after.pending()] == [1]
    assert after.has_flag("restored")
    assert not after.has_flag("other")
    for database in (before, after):
        database.close()


def test_a_full_disk_stores_all_or_nothing_and_can_recover(tmp_path: Path) -> None:
    database = RecordingsDatabase(tmp_path)
    database.start("a-0")
    connection = database._db  # pyright: ignore[reportPrivateUsage]
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.append("a-0", [segment(n) for n in range(1_000)])
    assert database.last_sequences("a-0") == {}
    database.append("a-0", [segment(0)])
    assert database.last_sequences("a-0") == {0: 0}

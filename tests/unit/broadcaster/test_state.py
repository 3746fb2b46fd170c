from pathlib import Path
from typing import cast

import msgspec
import pytest
import stamina

from shoal.broadcaster import state
from shoal.broadcaster.state import SEQUENCE_MARGIN, StateFile, backed_up_state, restore
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.errors import OperatorError
from shoal.problems import Problems


class FailingStore:
    """Fails some requests, then returns the backup."""

    def __init__(self, failures: int, backup: bytes | None) -> None:
        self._failures = failures
        self._backup = backup

    async def get(self, _key: str) -> bytes | None:
        self._failures -= 1
        if self._failures >= 0:
            raise StoreError("starting")
        return self._backup


BACKUP = msgspec.json.encode(backed_up_state(Timeline(next_sequence=7, published=3)))


async def restored(failures: int, backup: bytes | None) -> Timeline:
    return await restore(cast("Store", FailingStore(failures, backup)))


async def test_a_backup_is_read_from_a_store_that_is_still_starting() -> None:
    with stamina.set_testing(True, attempts=100):
        timeline = await restored(50, BACKUP)
    assert (timeline.next_sequence, timeline.published) == (7 + SEQUENCE_MARGIN, 3)


async def test_a_bucket_without_a_backup_is_a_new_station() -> None:
    assert await restored(0, None) == Timeline()


async def test_a_store_that_keeps_failing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "RESTORE_TIMEOUT_S", 0.05)
    timeline = await restored(1_000_000, None)
    assert timeline.next_sequence > 1_000_000_000  # from the clock


async def test_a_damaged_backup_is_ignored() -> None:
    assert (await restored(0, b"{")).next_sequence > 1_000_000_000


def test_a_timeline_that_cannot_be_written_is_a_problem_and_nothing_more(tmp_path: Path) -> None:
    problems = Problems()
    file = StateFile(tmp_path, problems)
    (tmp_path / "timeline.tmp").mkdir()
    file.save(Timeline())
    assert problems.standing()[0].code == "state"
    (tmp_path / "timeline.tmp").rmdir()
    file.save(Timeline(published=3))
    assert problems.standing() == []
    loaded = file.load()
    assert loaded is not None
    assert loaded.published == 3


def test_a_damaged_state_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "timeline.json").write_text('{"published":')
    with pytest.raises(OperatorError, match="damaged"):
        StateFile(tmp_path, Problems()).load()

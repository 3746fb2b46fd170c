"""Whatever goes wrong meanwhile, what was stored of a stream is in its recording.

The store is a stand-in: a set of keys that can be down. Timeline, database, recorder and object
expiry are the real ones.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.broadcaster import timeline as timelines
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.object_expiry import ObjectExpiry
from shoal.broadcaster.recordings import recorder
from shoal.broadcaster.recordings.database import RecordingsDatabase
from shoal.broadcaster.recordings.recorder import Recorder
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import StoreError
from shoal.broadcaster.timeline import Timeline, object_key
from shoal.problems import Problems
from tests.unit.broadcaster.examples import assign_sequence, entry

LONG_AGO = 0.0
"""a time of publication for which objects have expired once they leave the window"""


class StandInStore:
    """The keys in the store, and whether it is down."""

    def __init__(self) -> None:
        self.keys = set[str]()
        self.down = False

    def _answer(self) -> None:
        if self.down:
            raise StoreError("down")

    async def copy(self, source: str, target: str) -> bool:
        self._answer()
        if source in self.keys:
            self.keys.add(target)
        return source in self.keys

    async def exists(self, key: str) -> bool:
        self._answer()
        return key in self.keys

    async def delete(self, keys: list[str]) -> None:
        self._answer()
        self.keys -= set(keys)


class Run:
    """The parts of a broadcaster that record, from a start to a crash."""

    def __init__(self, folder: Path, store: Any, timeline: Timeline) -> None:
        self.database = RecordingsDatabase(folder)
        self.recorder = Recorder(
            database=self.database,
            store=store,
            timeline=timeline,
            watcher=HlsWatcher(folder),
            problems=Problems(),
            on_copied=lambda: None,
        )
        self.recorder.update()
        self.object_expiry = ObjectExpiry(
            store, timeline, StateFile(folder, Problems()), self.recorder
        )
        self.task = asyncio.create_task(self.recorder.run())

    async def crash(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.database.close()

    async def until_copied(self) -> None:
        async with asyncio.timeout(10):
            while self.database.next_pending() is not None:  # noqa: ASYNC110 - another task copies
                await asyncio.sleep(0.001)


async def live_through(events: list[str], folder: Path) -> None:
    store, timeline = StandInStore(), Timeline()
    run = Run(folder, store, timeline)
    published: list[str] = []
    for index, event in enumerate(events):
        match event:
            case "publish" if not store.down:
                sequence = assign_sequence(timeline, "a", index)
                place = entry(timeline, sequence, index=index)
                assert place.descriptor is not None
                store.keys.add(object_key(place.descriptor))
                timeline.append(place, LONG_AGO)
                published.append(place.descriptor.name)
                run.recorder.update()
            case "crash":
                await run.crash()
                run = Run(folder, store, timeline)
            case "store":
                store.down = not store.down
            case _:
                await asyncio.sleep(0)  # let other tasks run
        await run.object_expiry.delete_expired()
    store.down = False
    await run.until_copied()
    await run.object_expiry.delete_expired()
    recording = run.database.open_recording()
    recorded = run.database.load(recording).variants[0] if recording else []
    assert [s.name for s in recorded if s.name is not None] == published
    assert {f"vod/{recording}/0/{name}" for name in published} <= store.keys
    # and nothing is held back any longer
    assert run.recorder.held_keys() == set()
    assert sum(key.startswith("live/") for key in store.keys) <= timelines.WINDOW_SEGMENTS
    await run.crash()


EVENTS = st.lists(st.sampled_from(["publish"] * 12 + ["crash", "store", "turn"]), max_size=40)


@given(EVENTS)
@settings(max_examples=40, deadline=None)
def test_everything_that_was_stored_is_recorded(events: list[str]) -> None:
    with (
        TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        stamina.set_testing(True, attempts=1_000_000),
    ):
        # segments leave the window, and expire, before they are copied
        patch.setattr(timelines, "WINDOW_SEGMENTS", 3)
        asyncio.run(live_through(events, Path(folder)))


async def test_pending_copies_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_PENDING", 5)
    store, timeline = StandInStore(), Timeline()
    store.down = True
    run = Run(tmp_path, store, timeline)
    for index in range(9):
        sequence = assign_sequence(timeline, "a", index)
        timeline.append(entry(timeline, sequence, index=index), LONG_AGO)
        run.recorder.update()
    assert [copy.segment.sequence for copy in run.database.pending()] == [4, 5, 6, 7, 8]
    await run.crash()

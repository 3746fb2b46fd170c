"""Whatever goes wrong meanwhile, what was stored of a stream is in its recording.

The store is a stand-in: a set of keys that can be away. Timeline, ledger, recorder and janitor are
the real ones.
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
from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.object_expiry import Janitor
from shoal.broadcaster.recordings import recorder
from shoal.broadcaster.recordings.database import Ledger
from shoal.broadcaster.recordings.recorder import Recorder
from shoal.broadcaster.store import StoreError
from shoal.broadcaster.timeline import Timeline, object_key
from shoal.problems import Problems
from tests.unit.broadcaster.examples import entry

LONG_AGO = 0.0
"""when segments leave the window: their objects are due for deletion at once"""


class StandInStore:
    """Keys that are there, and whether the store answers."""

    def __init__(self) -> None:
        self.keys = set[str]()
        self.away = False

    def _answer(self) -> None:
        if self.away:
            raise StoreError("away")

    async def copy(self, source: str, target: str) -> bool:
        self._answer()
        if source in self.keys:
            self.keys.add(target)
        return source in self.keys

    async def has(self, key: str) -> bool:
        self._answer()
        return key in self.keys

    async def delete(self, keys: list[str]) -> None:
        self._answer()
        self.keys -= set(keys)


class Run:
    """A broadcaster's parts that record, from a start to a crash."""

    def __init__(self, folder: Path, store: Any, timeline: Timeline) -> None:
        self.ledger = Ledger(folder)
        self.recorder = Recorder(
            ledger=self.ledger,
            store=store,
            timeline=timeline,
            folder=Folder(folder),
            problems=Problems(),
            on_settled=lambda: None,
        )
        self.recorder.take()
        self.janitor = Janitor(store, timeline, lambda: None, self.recorder.held)
        self.task = asyncio.create_task(self.recorder.run())

    async def crash(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.ledger.close()

    async def until_copied(self) -> None:
        async with asyncio.timeout(10):
            while self.ledger.next_due() is not None:  # noqa: ASYNC110 - another task copies
                await asyncio.sleep(0.001)


async def live_through(events: list[str], folder: Path) -> None:
    store, timeline = StandInStore(), Timeline()
    run = Run(folder, store, timeline)
    published: list[str] = []
    for k, event in enumerate(events):
        match event:
            case "publish" if not store.away:
                sequence = timeline.sequence_of("a", k)
                place = entry(timeline, sequence, k=k)
                assert place.descriptor is not None
                store.keys.add(object_key(place.descriptor))
                timeline.publish(place, LONG_AGO)
                published.append(place.descriptor.name)
                run.recorder.take()
            case "crash":
                await run.crash()
                run = Run(folder, store, timeline)
            case "store":
                store.away = not store.away
            case _:
                await asyncio.sleep(0)  # somebody else's turn
        await run.janitor.clean()
    store.away = False
    await run.until_copied()
    await run.janitor.clean()
    recording = run.ledger.open_recording()
    kept = run.ledger.whole(recording).renditions[0] if recording else []
    assert [s.name for s in kept if s.name is not None] == published
    assert {f"vod/{recording}/0/{name}" for name in published} <= store.keys
    # and nothing is held back for longer
    assert run.recorder.held() == set()
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
        # segments leave the window, and are due for deletion, before they are copied
        patch.setattr(timelines, "WINDOW_SEGMENTS", 3)
        asyncio.run(live_through(events, Path(folder)))


async def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_DUE", 5)
    store, timeline = StandInStore(), Timeline()
    store.away = True
    run = Run(tmp_path, store, timeline)
    for k in range(9):
        sequence = timeline.sequence_of("a", k)
        timeline.publish(entry(timeline, sequence, k=k), LONG_AGO)
        run.recorder.take()
    assert [due.segment.sequence for due in run.ledger.due()] == [4, 5, 6, 7, 8]
    await run.crash()

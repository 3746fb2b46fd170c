"""Whatever happens to folder, store, seed, disk and process, no segment is lost without a trace.

Every segment that was whole, listed and due while the broadcaster ran is published once, in order,
or counted as lost or late. Pipeline, watcher, timeline, spool, uploader and state file are real;
store and seed are stand-ins. A restart cancels everything at whatever it was waiting for.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shoal.aio import Changes
from shoal.broadcaster import hls_watcher, pipeline, upload
from shoal.broadcaster.hls_watcher import HlsWatcher, SegmentKey, SourceSegment
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.seeding.seed import TorrentSeed
from shoal.broadcaster.spool import Spool, SpooledSegment
from shoal.broadcaster.state import StateFile
from shoal.broadcaster.store import Store, StoreError
from shoal.broadcaster.timeline import Timeline
from shoal.broadcaster.torrents import Torrent
from shoal.broadcaster.upload import Uploader
from shoal.problems import Problems
from tests.support.broadcaster import transport_stream

VARIANTS = (0, 1)
Name = tuple[int, str]
"""variant and file name"""
Event = tuple[str, int, int]
"""what happens, to which variant, and turns of the event loop before the next (if negative, ms)"""

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["write"] * 8,
                *("begin", "begin", "finish", "rewrite", "rewrite", "trim", "stream"),
                *("store", "seed", "disk", "damage", "crash", "crash", "crash"),
            ]
        ),
        st.sampled_from(VARIANTS),
        st.sampled_from([0, 1, 3, 7, -2, -4, -4, -7]),
    ),
    min_size=12,
    max_size=45,
)


class Owncast:
    """An HLS folder, and every version of each segment's bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.versions: dict[Name, list[bytes]] = {}
        self.streams = 0
        self.start()

    def start(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.streams += 1
        self.names: dict[int, list[str]] = {variant: [] for variant in VARIANTS}
        self.index: dict[int, int] = dict.fromkeys(VARIANTS, 0)
        self.growing: set[Name] = set()
        for variant in VARIANTS:
            (self.path / str(variant)).mkdir(parents=True)

    def act(self, event: str, variant: int) -> None:
        names = self.names[variant]
        if event in ("write", "begin"):
            name = f"stream-s{self.streams}-{self.index[variant]}.ts"
            self.index[variant] += 1
            self.growing.add((variant, name))
            self.file(variant, name).write_bytes(b"\x47cut off")
            names.append(name)
            if event == "write":
                self.finish(variant, name)
            self.list(variant)
        elif event == "finish":
            for growing, name in sorted(self.growing):
                if growing == variant:
                    self.finish(variant, name)
        elif event == "rewrite" and names and (variant, names[-1]) not in self.growing:
            self.finish(variant, names[-1])
        elif event == "trim" and names:
            name = names.pop(0)
            self.growing.discard((variant, name))
            self.list(variant)
            self.file(variant, name).unlink()
        elif event == "stream":
            self.start()

    def file(self, variant: int, name: str) -> Path:
        return self.path / str(variant) / name

    def finish(self, variant: int, name: str) -> None:
        versions = self.versions.setdefault((variant, name), [])
        versions.append(transport_stream(f"{variant}{name}", 10 + len(versions)))
        self.growing.discard((variant, name))
        self.file(variant, name).write_bytes(versions[-1])

    def list(self, variant: int) -> None:
        lines = "".join(f"#EXTINF:4.0,\n{name}\n" for name in self.names[variant])
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}"
        self.file(variant, "stream.m3u8").write_text(text)


class World:
    """What outlives the broadcaster's process, and what is counted over all of its lives."""

    def __init__(self, folder: Path, *, seeded: bool, store_away: bool) -> None:
        self.folder = folder
        self.owncast = Owncast(folder / "hls")
        self.objects: dict[str, bytes] = {}
        self.store_away = store_away
        self.seed_away = self.disk_full = False
        self.seeded = seeded
        self.expected: set[Name] = set()
        """whole, listed and due while a broadcaster looked"""
        self.counted = 0
        """lost or late, in earlier lives too"""
        self.sequences: dict[Name, int] = {}
        """of all that was published, in earlier lives too"""
        self.unspooled: set[Name] = set()
        """not yet on our disk when a process ended: the next one finds them in Owncast's folder, if
        they are still there and none of its spooled segments overtakes them; nobody counts them"""

    # the store and the seed
    async def put_segment(self, key: str, data: bytes) -> None:
        await asyncio.sleep(0.001 * (len(data) % 3))
        if self.store_away:
            raise StoreError("away")
        self.objects[key] = data

    async def add(self, path: Path, data: bytes, web_seed: str) -> Torrent:
        assert data
        await asyncio.sleep(0)
        return Torrent(path.name, path.name, len(data), web_seed, b"")

    def is_available(self, _infohash: str) -> bool:
        return not self.seed_away

    def remove(self, _infohash: str) -> None:
        pass


class Watcher(HlsWatcher):
    """Notes which of the due segments are whole."""

    def __init__(self, world: World) -> None:
        super().__init__(world.owncast.path)
        self._world = world

    def read(self, due: Collection[SegmentKey], now_s: float) -> list[SourceSegment]:
        for variant, name in due:
            file = f"stream-{name.stream}-{name.index}.ts"
            if (variant, file) not in self._world.owncast.growing:
                self._world.expected.add((variant, file))
        return super().read(due, now_s)


class FullSpool(Spool):
    """A spool whose disk can be full."""

    world: World

    def _write(self, segment: SpooledSegment, data: bytes, init_data: bytes | None) -> None:
        if self.world.disk_full:
            raise OSError(28, "No space left on device")
        super()._write(segment, data, init_data)


def late() -> float:
    return REGISTRY.get_sample_value("shoal_segments_late_total") or 0


class Life:
    """A broadcaster from a start to a crash."""

    def __init__(self, world: World) -> None:
        self.world = world
        problems = Problems()
        state = StateFile(world.folder, problems)
        self.timeline = state.load() or Timeline()
        self.spool = FullSpool(world.folder / "segments", problems)
        self.spool.world = world
        self.watcher = Watcher(world)
        seed = cast("TorrentSeed", world) if world.seeded else None
        self.uploader = Uploader(cast("Store", world), self.spool, seed)
        self.pipeline = Pipeline(
            watcher=self.watcher,
            timeline=self.timeline,
            state=state,
            spool=self.spool,
            uploader=self.uploader,
            seed=seed,
            media_url="https://media.example",
            changes=Changes(),
        )

    @property
    def published(self) -> dict[Name, str]:
        return {(d.variant, d.name): d.sha256 for d in self.timeline.descriptors()}

    async def live(self, events: Iterable[Event], *, last: bool) -> None:
        late_before = late()
        parts = [asyncio.create_task(part.run()) for part in (self.uploader, self.pipeline)]
        try:
            for event, variant, turns in events:
                await self._act(event, variant)
                await asyncio.sleep(max(0, -turns) / 1000)
                for _ in range(turns):
                    await asyncio.sleep(0)
            if last:
                await self._settle()
        finally:
            for part in parts:
                assert not part.done(), part.result()
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self.world.counted += self.watcher.lost + self.pipeline.lost
            self.world.counted += int(late() - late_before)
            for descriptor in self.timeline.descriptors():
                name = descriptor.variant, descriptor.name
                sequence = self.world.sequences.setdefault(name, descriptor.sequence)
                assert sequence == descriptor.sequence
            # a crash takes back nothing that viewers have seen
            assert self.world.sequences.keys() == self.published.keys()
            if not last:
                self._note_unspooled()

    async def _act(self, event: str, variant: int) -> None:
        world = self.world
        match event:
            case "store":
                world.store_away = not world.store_away
            case "seed":
                world.seed_away = not world.seed_away
            case "disk":
                world.disk_full = not world.disk_full
            case "damage":
                for path in sorted((world.folder / "segments").glob(f"{variant}/*.ts"))[-1:]:
                    path.write_bytes(b"")
            case _:
                world.owncast.act(event, variant)

    async def _settle(self) -> None:
        self.world.store_away = self.world.disk_full = False
        for variant in VARIANTS:
            self.world.owncast.act("finish", variant)
        async with asyncio.timeout(10):
            quiet = 0
            while quiet < 5:
                await asyncio.sleep(0.003)
                busy = self.watcher.pending or not self.pipeline.idle or self.uploader.waiting
                quiet = 0 if busy else quiet + 1

    def _note_unspooled(self) -> None:
        spooled = {(s.variant, s.name) for s in Spool(self.spool.folder, Problems()).load()}
        self.world.unspooled |= self.world.expected - self.published.keys() - spooled


def check(world: World, life: Life) -> None:
    owncast, published = world.owncast, life.published
    missing = world.expected - published.keys() - world.unspooled
    assert len(missing) <= world.counted, missing
    assert not [start for start in life.timeline.streams if start.stream == "offline"]
    for variant, window in life.timeline.windows.items():
        numbers = [entry.sequence for entry in window.entries]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        names = [d.name for d in window.descriptors()]
        order = [tuple(map(int, name[len("stream-s") : -len(".ts")].split("-"))) for name in names]
        assert order == sorted(set(order)), variant
    for (variant, name), sha256 in published.items():
        versions = owncast.versions[variant, name]
        assert sha256 in [hashlib.sha256(data).hexdigest() for data in versions]
    for descriptor in life.timeline.descriptors():
        if descriptor.stored:
            stored = world.objects[f"live/{descriptor.variant}/{descriptor.name}"]
            assert hashlib.sha256(stored).hexdigest() == descriptor.sha256


@settings(max_examples=70, deadline=None)
@given(events=EVENTS, seeded=st.booleans(), store_away=st.booleans())
def test_every_segment_is_published_once_and_in_order_or_counted_as_lost(
    events: list[Event], *, seeded: bool, store_away: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(hls_watcher, "MISSING_GRACE_S", 0.03)
        patch.setattr(pipeline, "POLL_S", 0.001)
        patch.setattr(pipeline, "REREAD_S", 0.05)
        patch.setattr(upload, "STORE_ONLY_S", 0.01)
        patch.setattr(upload, "POLL_S", 0.002)
        patch.setattr(upload, "PROBE_FIRST_S", 0.002)
        patch.setattr(upload, "PROBE_MAX_S", 0.005)
        world = World(Path(folder), seeded=seeded, store_away=store_away)
        lives: list[list[Event]] = [[]]
        for event in events:
            if event[0] == "crash":
                lives.append([])
            else:
                lives[-1].append(event)
        for own in lives[:-1]:
            asyncio.run(Life(world).live(own, last=False))
        life = Life(world)
        asyncio.run(life.live(lives[-1], last=True))
        check(world, life)

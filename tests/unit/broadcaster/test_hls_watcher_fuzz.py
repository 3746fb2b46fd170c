"""Whatever happens to Owncast's folder, what is published is complete, in order, or a gap."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.timeline import WINDOW_SEGMENTS, Timeline
from tests.support.broadcaster import transport_stream
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry

VARIANTS = (0, 1)

EVENTS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(VARIANTS), st.integers(0, 3)),
    st.tuples(st.just("begin"), st.sampled_from(VARIANTS), st.integers(1, 5000)),
    st.tuples(st.just("finish"), st.sampled_from(VARIANTS), st.just(0)),
    st.tuples(st.just("cut"), st.sampled_from(VARIANTS), st.integers(0, 200)),
    st.tuples(st.just("delete"), st.sampled_from(VARIANTS), st.integers(0, 3)),
    st.tuples(st.just("stream"), st.just(0), st.just(0)),
    st.tuples(st.just("remove"), st.just(0), st.just(0)),
    st.tuples(st.just("end"), st.sampled_from(VARIANTS), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.integers(0, 5)),
)


class Owncast:
    """An HLS folder to which anything may happen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream = 0
        self.written: dict[tuple[int, str], bytes] = {}
        """the complete bytes of each segment"""
        self.start()

    def start(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.stream += 1
        self.names: dict[int, list[str]] = {variant: [] for variant in VARIANTS}
        self.next_index: dict[int, int] = dict.fromkeys(VARIANTS, 0)
        self.growing: dict[int, str] = {}
        for variant in VARIANTS:
            (self.path / str(variant)).mkdir(parents=True)

    def act(self, event: str, variant: int, number: int) -> None:
        folder = self.path / str(variant)
        if event == "stream" or not folder.exists():
            self.start()
        elif event == "remove":
            shutil.rmtree(self.path)
        elif event == "write":
            self.next_index[variant] += number  # indexes may be skipped
            self.begin(variant, 1 << 30)
            self.list(variant)
        elif event == "begin":
            self.begin(variant, number)
            self.list(variant)
        elif event == "finish" and variant in self.growing:
            name = self.growing.pop(variant)
            if (folder / name).exists():
                (folder / name).write_bytes(self.written[variant, name])
        elif event == "cut" and (folder / "stream.m3u8").exists():
            text = (folder / "stream.m3u8").read_bytes()
            (folder / "stream.m3u8").write_bytes(text[:number])
        elif event == "delete":
            for name in self.names[variant][:number]:
                (folder / name).unlink(missing_ok=True)
        elif event == "end":
            self.list(variant, "#EXTINF:8.0,\noffline-v2.ts\n#EXT-X-ENDLIST\n")

    def begin(self, variant: int, size: int) -> None:
        name = f"stream-s{self.stream}-{self.next_index[variant]}.ts"
        self.next_index[variant] += 1
        complete = transport_stream(f"{variant}{name}", 20)
        self.written[variant, name] = complete
        (self.path / str(variant) / name).write_bytes(complete[:size])
        self.growing[variant] = name
        self.names[variant] = [*self.names[variant], name][-4:]

    def list(self, variant: int, tail: str = "") -> None:
        lines = "".join(f"#EXTINF:4.0,\n{name}\n" for name in self.names[variant])
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}{tail}"
        (self.path / str(variant) / "stream.m3u8").write_text(text)


@settings(max_examples=150, deadline=None)
@given(events=st.lists(EVENTS, max_size=60))
def test_what_is_published_is_complete_and_in_order_or_a_gap(
    events: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    owncast = Owncast(tmp_path_factory.mktemp("fuzz") / "hls")
    watcher, timeline = HlsWatcher(owncast.path), Timeline()
    clock = 0.0
    seen: set[tuple[int, str]] = set()
    in_progress: set[tuple[int, str, int]] = set()
    for event, variant, number in events:
        owncast.act(event, variant, number)
        clock += number if event == "wait" else 0.01
        for _, name in watcher.scan():
            assign_sequence(timeline, name.stream, name.index)
        due = [
            (v, n)
            for v, n in watcher.pending
            if (v, n.stream, n.index) not in in_progress
            and timeline.is_due(v, assign_sequence(timeline, n.stream, n.index))
        ]
        segments = watcher.read(due, clock)
        for segment in segments:
            key = (segment.variant, segment.path.name)
            assert segment.data == owncast.written[key] or len(segment.data) % 188 == 0
            assert key not in seen
            seen.add(key)
            in_progress.add((segment.variant, segment.name.stream, segment.name.index))
            sequence = assign_sequence(timeline, segment.name.stream, segment.name.index)
            if timeline.is_due(segment.variant, sequence):
                place = entry(
                    timeline,
                    sequence,
                    stream=segment.name.stream,
                    index=segment.name.index,
                    variant=segment.variant,
                )
                timeline.append(place, NOW)
        for window in timeline.windows.values():
            numbers = [place.sequence for place in window.entries]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert len(numbers) <= WINDOW_SEGMENTS
            assert not [d for d in window.descriptors() if "offline" in d.name]

from pathlib import Path

import pytest

from shoal.broadcaster import response_cache
from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.owncast_playlist import OwncastVariant
from shoal.broadcaster.playlist import live_media_playlist
from shoal.broadcaster.response_cache import ResponseCache
from shoal.broadcaster.timeline import LATE_SEGMENTS, Timeline
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry


def publish(timeline: Timeline, index: int, variant: int = 0) -> None:
    sequence = assign_sequence(timeline, "a", index)
    timeline.append(entry(timeline, sequence, index=index, variant=variant), NOW)


def test_a_playlist_is_rendered_once_for_each_version_of_the_timeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []
    render = live_media_playlist
    monkeypatch.setattr(
        response_cache,
        "live_media_playlist",
        lambda timeline, window: rendered.append(timeline.version) or render(timeline, window),
    )
    timeline = Timeline()
    cache = ResponseCache(timeline, HlsWatcher(tmp_path))
    assert cache.playlist() is None
    for index in range(3):
        publish(timeline, index)
        first = cache.playlist()
        assert cache.playlist() is first
        assert cache.segment_url(0, f"stream-a-{index}.ts")
    timeline.end()
    ended = cache.playlist()
    assert ended is not None
    assert b"#EXT-X-ENDLIST" in ended.plain
    assert rendered == [1, 2, 3, 4]


def test_the_multivariant_playlist_is_held_back_until_all_variants_came(tmp_path: Path) -> None:
    timeline, watcher = Timeline(), HlsWatcher(tmp_path)
    watcher.variants = {n: OwncastVariant(n, f"BANDWIDTH={n + 1}") for n in (0, 1)}
    cache = ResponseCache(timeline, watcher)
    publish(timeline, 0)
    assert cache.playlist() is None
    publish(timeline, 0, variant=1)
    both = cache.playlist()
    assert both is not None
    assert both.plain.count(b"#EXT-X-STREAM-INF") == 2


def test_a_variant_that_never_comes_is_not_waited_for_forever(tmp_path: Path) -> None:
    timeline, watcher = Timeline(), HlsWatcher(tmp_path)
    watcher.variants = {n: OwncastVariant(n, f"BANDWIDTH={n + 1}") for n in (0, 1)}
    cache = ResponseCache(timeline, watcher)
    for index in range(LATE_SEGMENTS):
        publish(timeline, index)
        assert cache.playlist() is None
    publish(timeline, LATE_SEGMENTS)
    assert cache.playlist() is not None

import m3u8

from shoal.broadcaster.owncast_playlist import OwncastVariant
from shoal.broadcaster.playlist import live_media_playlist, live_multivariant_playlist
from shoal.broadcaster.timeline import Timeline
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry


def station(*segments: tuple[str, int], variants: int = 1) -> Timeline:
    timeline = Timeline()
    for stream, index in segments:
        for variant in range(variants):
            sequence = assign_sequence(timeline, stream, index)
            timeline.append(
                entry(timeline, sequence, stream=stream, index=index, variant=variant), NOW
            )
    return timeline


def parse(timeline: Timeline) -> m3u8.M3U8:
    return m3u8.loads(live_media_playlist(timeline, timeline.windows[0]))


def test_an_independent_parser_reads_what_was_published() -> None:
    playlist = parse(station(("a", 0), ("a", 1), ("b", 0)))
    assert playlist.media_sequence == 0
    assert playlist.target_duration == 4
    assert [s.uri for s in playlist.segments] == [
        "https://media.example/live/0/stream-a-0.ts",
        "https://media.example/live/0/stream-a-1.ts",
        "https://media.example/live/0/stream-b-0.ts",
    ]
    assert [s.discontinuity for s in playlist.segments] == [False, False, True]
    assert all(s.duration == 4.0 and s.program_date_time for s in playlist.segments)
    assert not playlist.is_endlist


def test_a_playlist_has_sixty_segments_and_the_sequence_of_the_first() -> None:
    playlist = parse(station(*(("a", index) for index in range(75))))
    assert len(playlist.segments) == 60
    assert playlist.media_sequence == 15


def test_gaps_are_marked_and_need_a_newer_version() -> None:
    text = live_media_playlist(timeline := station(("a", 0), ("a", 2)), timeline.windows[0])
    assert "#EXT-X-VERSION:8\n" in text
    assert "#EXT-X-GAP\n#EXTINF:4.000000,\ngap-1.ts\n" in text


def test_a_discontinuity_that_left_the_window_is_counted() -> None:
    timeline = station(
        *(("a", index) for index in range(3)), *(("b", index) for index in range(60))
    )
    text = live_media_playlist(timeline, timeline.windows[0])
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in text
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    timeline = station(
        *(("a", index) for index in range(3)), *(("b", index) for index in range(61))
    )
    text = live_media_playlist(timeline, timeline.windows[0])
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
    assert "#EXT-X-DISCONTINUITY\n" not in text


def test_the_multivariant_playlist_has_owncasts_attributes_or_measured_ones() -> None:
    listed = {0: OwncastVariant(0, "BANDWIDTH=2120800,RESOLUTION=1280x720")}
    playlist = m3u8.loads(live_multivariant_playlist(station(("a", 0), variants=2), listed))
    assert [(p.uri, p.stream_info.bandwidth) for p in playlist.playlists] == [
        ("0/playlist.m3u8", 2120800),
        ("1/playlist.m3u8", 2_000_000),
    ]

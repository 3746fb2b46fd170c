import pytest

from shoal.broadcaster.owncast_playlist import (
    ListedSegment,
    OwncastVariant,
    PlaylistError,
    SegmentName,
    parse_media_playlist,
    parse_multivariant_playlist,
    parse_segment_name,
)

PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:27
#EXT-X-INDEPENDENT-SEGMENTS
#EXTINF:4.000000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:03:08.231+0000
stream-jQK2dpmHg-27.ts
#EXTINF:3.960000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:03:12.231+0000
stream-jQK2dpmHg-28.ts
"""


def test_the_segment_index_is_the_number_after_the_last_dash() -> None:
    assert parse_segment_name("stream-jQK2dpmHg-28.ts") == SegmentName("jQK2dpmHg", 28)
    assert parse_segment_name("stream-a-1-b_-007.ts") == SegmentName("a-1-b_", 7)


@pytest.mark.parametrize(
    "name",
    ["offline-v2.ts", "offline.ts", "stream-offline-0.ts", "stream-x.ts", "stream-x-1.ts.tmp", ""],
)
def test_offline_clips_and_other_files_are_not_live_segments(name: str) -> None:
    assert parse_segment_name(name) is None


def test_a_playlist_as_ffmpeg_writes_it() -> None:
    playlist = parse_media_playlist(PLAYLIST)
    assert not playlist.ended
    assert playlist.segments == (
        ListedSegment("stream-jQK2dpmHg-27.ts", 4.0, "2026-11-22T09:03:08.231+00:00"),
        ListedSegment("stream-jQK2dpmHg-28.ts", 3.96, "2026-11-22T09:03:12.231+00:00"),
    )


def test_the_end_is_recognized() -> None:
    ended = PLAYLIST + "#EXT-X-DISCONTINUITY\n#EXTINF:8.0,\noffline-v2.ts\n#EXT-X-ENDLIST\n"
    assert parse_media_playlist(ended).ended


def test_a_cut_off_playlist_never_yields_a_segment_that_the_complete_one_lacks() -> None:
    complete = parse_media_playlist(PLAYLIST).segments
    for length in range(len(PLAYLIST)):
        try:
            cut = parse_media_playlist(PLAYLIST[:length])
        except PlaylistError:
            continue
        assert cut.segments == complete[: len(cut.segments)]


def test_attributes_of_variants_are_kept_as_written() -> None:
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:6\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=2120800,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"\n'
        "0/stream.m3u8\n\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=800000\nhttps://elsewhere/hls/1/stream.m3u8\n"
    )
    assert parse_multivariant_playlist(playlist) == (
        OwncastVariant(0, 'BANDWIDTH=2120800,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"'),
        OwncastVariant(1, "BANDWIDTH=800000"),
    )

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.local.variants import MIN_TOTAL_KBPS, Picture, ladder, parse_bitrate, parse_picture


@pytest.mark.parametrize("text", ["1920", "1920k", "1.92M"])
def test_a_bitrate_may_be_written_in_three_ways(text: str) -> None:
    assert parse_bitrate(text) == 1920


@pytest.mark.parametrize("text", ["", "fast", "-5", "1920kb", "1e3", "100"])
def test_what_is_no_usable_bitrate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="kbit/s"):
        parse_bitrate(text)


def test_each_rendition_has_half_the_bitrate_of_the_one_before() -> None:
    renditions = ladder(1920, 4)
    assert [r.total_kbps for r in renditions] == [1920, 960, 480, 240]
    assert [(r.width, r.height) for r in renditions] == [
        (1280, 720),
        (854, 480),
        (640, 360),
        (320, 180),
    ]
    assert [r.frame_rate for r in renditions] == [30, 30, 30, 15]
    assert [r.audio_kbps for r in renditions] == [96, 96, 96, 48]


@given(st.integers(MIN_TOTAL_KBPS, 20_000))
def test_picture_and_sound_leave_room_for_the_container(total: int) -> None:
    (rendition,) = ladder(total, 1)
    assert 0 < rendition.video_kbps < total - rendition.audio_kbps
    assert rendition.video_kbps > total * 0.4


def test_a_ladder_that_ends_too_low_says_what_would_do() -> None:
    with pytest.raises(ValueError, match="raise the bitrate to 600"):
        ladder(500, 3)
    with pytest.raises(ValueError, match="choose 1 to 4"):
        ladder(1920, 5)


def test_a_picture_may_be_named_whatever_the_bitrate() -> None:
    picture = parse_picture("320x180@15")
    assert picture == Picture(320, 180, 15)
    assert parse_picture(str(picture)) == picture
    renditions = ladder(1100, 2, picture)
    assert [r.total_kbps for r in renditions] == [1100, 550]
    assert {(r.width, r.height, r.frame_rate) for r in renditions} == {(320, 180, 15)}


@pytest.mark.parametrize("text", ["", "320x180", "321x180@15", "320x181@15", "320x180@0", "a@b"])
def test_what_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"320x180@15|even"):
        parse_picture(text)

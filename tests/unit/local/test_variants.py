import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.local.variants import (
    MIN_TOTAL_KBPS,
    Picture,
    make_variants,
    parse_bitrate,
    parse_picture,
)


@pytest.mark.parametrize("text", ["1920", "1920k", "1.92M"])
def test_a_bitrate_has_three_spellings(text: str) -> None:
    assert parse_bitrate(text) == 1920


@pytest.mark.parametrize("text", ["", "fast", "-5", "1920kb", "1e3", "100"])
def test_an_unusable_bitrate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="kbit/s"):
        parse_bitrate(text)


def test_each_variant_has_half_the_bitrate_of_the_one_before() -> None:
    variants = make_variants(1920, 4)
    assert [r.total_kbps for r in variants] == [1920, 960, 480, 240]
    assert [(r.width, r.height) for r in variants] == [
        (1280, 720),
        (854, 480),
        (640, 360),
        (320, 180),
    ]
    assert [r.frame_rate for r in variants] == [30, 30, 30, 15]
    assert [r.audio_kbps for r in variants] == [96, 96, 96, 48]


@given(st.integers(MIN_TOTAL_KBPS, 20_000))
def test_video_and_audio_leave_room_for_the_container(total: int) -> None:
    (variant,) = make_variants(total, 1)
    assert 0 < variant.video_kbps < total - variant.audio_kbps
    assert variant.video_kbps > total * 0.4


def test_variants_that_end_too_low_are_refused_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match="raise --bitrate to 600"):
        make_variants(500, 3)
    with pytest.raises(ValueError, match="choose 1 to 4"):
        make_variants(1920, 5)


def test_the_picture_may_be_chosen_regardless_of_bitrate() -> None:
    picture = parse_picture("320x180@15")
    assert picture == Picture(320, 180, 15)
    assert parse_picture(str(picture)) == picture
    variants = make_variants(1100, 2, picture)
    assert [r.total_kbps for r in variants] == [1100, 550]
    assert {(r.width, r.height, r.frame_rate) for r in variants} == {(320, 180, 15)}


@pytest.mark.parametrize("text", ["", "320x180", "321x180@15", "320x181@15", "320x180@0", "a@b"])
def test_an_unusable_picture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"320x180@15|even"):
        parse_picture(text)

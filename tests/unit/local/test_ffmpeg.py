import re
from pathlib import Path

import pytest

from shoal.errors import OperatorError
from shoal.local import ffmpeg
from shoal.local.variants import make_variants

RECEIVER = "http://127.0.0.1:1234"


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_stream_has_the_hls_options_of_owncast() -> None:
    command = ffmpeg.stream_command(
        ffmpeg.push_input(5555), make_variants(1920, 2), 4, "a_B-c", RECEIVER
    )
    assert after(command, "-listen") == "1"
    assert after(command, "-hls_time") == "4"
    assert after(command, "-hls_list_size") == "8"
    assert after(command, "-hls_flags") == "program_date_time+independent_segments+omit_endlist"
    assert after(command, "-master_pl_name") == "stream.m3u8"
    assert after(command, "-method") == "PUT"
    assert after(command, "-hls_segment_filename") == f"{RECEIVER}/%v/stream-a_B-c-%d.ts"
    assert after(command, "-var_stream_map") == "v:0,a:0 v:1,a:1"
    assert after(command, "-sc_threshold") == "0"
    assert command[-1] == f"{RECEIVER}/%v/stream.m3u8"


@pytest.mark.parametrize("segment_s", [1, 2, 3, 4, 5])
def test_a_segment_is_one_group_of_pictures(segment_s: int) -> None:
    variants = make_variants(600, 2)  # 30 and 15 frames per second
    command = ffmpeg.stream_command(
        ffmpeg.test_input(variants[0]), variants, segment_s, "x", RECEIVER
    )
    assert after(command, "-g:v:0") == after(command, "-keyint_min:v:0") == str(30 * segment_s)
    assert after(command, "-g:v:1") == after(command, "-keyint_min:v:1") == str(15 * segment_s)


def test_a_file_without_audio_makes_a_stream_without_audio() -> None:
    source = ffmpeg.file_input(Path("/tmp/it's.mp4"), has_audio=False)
    command = ffmpeg.stream_command(source, make_variants(1920, 2), 2, "x", RECEIVER)
    assert after(command, "-i") == "file:/tmp/it's.mp4"
    assert after(command, "-stream_loop") == "-1"
    assert after(command, "-var_stream_map") == "v:0 v:1"
    assert not [word for word in command if "aac" in word]


def test_stream_ids_look_like_owncasts() -> None:
    ids = {ffmpeg.new_stream_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(re.fullmatch(r"[0-9A-Za-z_-]{9}", text) for text in ids)


async def test_a_file_that_is_not_media_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a film\n" * 100)
    with pytest.raises(OperatorError, match=r"notes\.txt: ffmpeg finds no video"):
        await ffmpeg.has_audio(path)

"""ffmpeg command lines: for a stream as Owncast makes it, the offline clip, and a file probe."""

import asyncio
import functools
import os
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg  # pyright: ignore[reportMissingTypeStubs]

from shoal.errors import OperatorError
from shoal.local import process
from shoal.local.owncast_output import PLAYLIST_SEGMENTS
from shoal.local.variants import Variant

ID_ALPHABET = string.digits + string.ascii_letters + "_-"  # teris-io/shortid's
ID_LENGTH = 9

OFFLINE_CLIP_S = 8
OFFLINE_SEGMENT_S = 5
PROBE_TIMEOUT_S = 20.0

# ffmpeg also "plays" text (as terminal output) and still pictures
_NOT_VIDEO = re.compile(r"^Input #0, (?:tty|image2|\w+_pipe)\b", re.MULTILINE)

_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_FONT_PREFERENCE = ("DejaVuSansMono-Bold.ttf", "DejaVuSansMono.ttf", "LiberationMono-Bold.ttf")


@functools.cache
def executable() -> str:
    """Return the path of ffmpeg, from the imageio-ffmpeg package."""
    return imageio_ffmpeg.get_ffmpeg_exe()


def new_stream_id() -> str:
    """Return a random stream id such as Owncast's."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


@dataclass(frozen=True)
class Input:
    """An input of ffmpeg: its arguments, and the video and audio streams (None: no audio)."""

    arguments: tuple[str, ...]
    video: str = "0:v:0"
    audio: str | None = "0:a:0"


def push_input(port: int) -> Input:
    """Return an input that waits for one RTMP push on loopback."""
    # by default ffmpeg would analyze a push for 5 s before the first frame
    limits = ("-fflags", "+genpts", "-analyzeduration", "2000000")
    return Input((*limits, "-f", "flv", "-listen", "1", "-i", f"rtmp://127.0.0.1:{port}/live"))


def file_input(path: Path, *, has_audio: bool) -> Input:
    """Return an input that plays a file in a loop, at its own speed."""
    arguments = ("-re", "-stream_loop", "-1", "-i", f"file:{path}")
    return Input(arguments, audio="0:a:0" if has_audio else None)


def test_input(variant: Variant) -> Input:
    """Return an input with a moving test picture, a clock, and a beep every second."""
    size = f"{variant.width}x{variant.height}"
    picture = f"testsrc2=size={size}:rate={variant.frame_rate}"
    font = find_font()
    if font is not None:  # without a font the test picture has only its own counter
        style = f"fontsize={variant.height // 7}:fontcolor=white:box=1:boxcolor=black@0.7"
        clock = r"text='%{localtime\:%H\\\:%M\\\:%S}':x=(w-text_w)/2:y=h*0.72:boxborderw=12"
        picture += f",drawtext=fontfile={_quote(font)}:{style}:{clock}"
    beep = "sine=frequency=220:beep_factor=4:sample_rate=48000,volume=0.25"
    return Input(("-re", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beep), audio="1:a:0")


def _quote(path: Path) -> str:
    return re.sub(r"([\\':,;\[\]])", r"\\\\\\\1", str(path))


@functools.cache
def find_font() -> Path | None:
    """Return a TrueType font of this machine, preferably monospaced, or None."""
    fonts = {
        path.name: path
        for folder in _FONT_FOLDERS
        for path in sorted(Path(folder).expanduser().rglob("*.ttf"))
        if os.access(path, os.R_OK)
    }
    for name in _FONT_PREFERENCE:
        if name in fonts:
            return fonts[name]
    return next((fonts[name] for name in sorted(fonts)), None)


def stream_command(
    source: Input, variants: Sequence[Variant], segment_s: int, stream_id: str, receiver: str
) -> list[str]:
    """Return the command that encodes a stream and PUTs its files to `receiver`, an http URL.

    The HLS options are those of Owncast's command. The bitrate is constant, so that segments have
    the requested size whatever the picture shows.
    """
    command = [executable(), "-hide_banner", "-nostats", "-loglevel", "warning", *source.arguments]
    for n, variant in enumerate(variants):
        command += _variant_arguments(source, n, variant, segment_s)
    audio = source.audio is not None
    streams = " ".join(f"v:{n},a:{n}" if audio else f"v:{n}" for n in range(len(variants)))
    return [
        *command,
        *("-preset", "superfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"),
        *("-sc_threshold", "0", "-var_stream_map", streams, "-max_muxing_queue_size", "400"),
        *("-f", "hls", "-hls_time", str(segment_s)),
        *("-hls_list_size", str(PLAYLIST_SEGMENTS[segment_s])),
        *("-hls_flags", "program_date_time+independent_segments+omit_endlist"),
        *("-master_pl_name", "stream.m3u8", "-method", "PUT"),
        *("-hls_segment_filename", f"{receiver}/%v/stream-{stream_id}-%d.ts"),
        f"{receiver}/%v/stream.m3u8",
    ]


def _variant_arguments(source: Input, n: int, variant: Variant, segment_s: int) -> list[str]:
    kbps = f"{variant.video_kbps}k"
    frames = str(variant.frame_rate * segment_s)
    size = f"{variant.width}:{variant.height}"
    fit = (  # keep the aspect ratio
        f"scale={size}:force_original_aspect_ratio=decrease,pad={size}:(ow-iw)/2:(oh-ih)/2,setsar=1"
    )
    arguments = [
        *("-map", source.video, f"-c:v:{n}", "libx264", f"-filter:v:{n}", fit),
        *(f"-b:v:{n}", kbps, f"-maxrate:v:{n}", kbps, f"-bufsize:v:{n}", kbps),
        *(f"-x264-params:v:{n}", "nal-hrd=cbr:scenecut=0:open_gop=0"),
        *(f"-r:v:{n}", str(variant.frame_rate)),
        *(f"-g:v:{n}", frames, f"-keyint_min:v:{n}", frames),
    ]
    if source.audio is not None:
        arguments += ["-map", source.audio, f"-c:a:{n}", "aac", f"-b:a:{n}"]
        arguments += [f"{variant.audio_kbps}k", f"-ac:a:{n}", "2", f"-ar:a:{n}", "48000"]
    return arguments


def offline_clip_command(path: Path) -> list[str]:
    """Return the command that makes the clip that Owncast appends to a stream's end."""
    picture = f"color=c=0x202830:size=320x180:rate=5:duration={OFFLINE_CLIP_S}"
    return [
        *(executable(), "-hide_banner", "-nostats", "-loglevel", "warning", "-y"),
        *("-f", "lavfi", "-i", picture),
        *("-f", "lavfi", "-i", "anullsrc=channel_layout=stereo:sample_rate=48000"),
        *("-t", str(OFFLINE_CLIP_S), "-c:v", "libx264", "-preset", "superfast"),
        *("-pix_fmt", "yuv420p", "-g", str(5 * OFFLINE_SEGMENT_S), "-c:a", "aac", "-b:a", "32k"),
        *("-f", "mpegts", str(path)),
    ]


def idle_command(clip: Path, variants: int, receiver: str) -> list[str]:
    """Return the command that makes the ended playlist that Owncast shows while offline."""
    maps: list[str] = []
    for _ in range(variants):
        maps += ["-map", "0:v:0", "-map", "0:a:0"]
    streams = " ".join(f"v:{n},a:{n}" for n in range(variants))
    return [
        *(executable(), "-hide_banner", "-nostats", "-loglevel", "warning", "-i", f"file:{clip}"),
        *(*maps, "-c", "copy", "-var_stream_map", streams, "-f", "hls"),
        *("-hls_time", str(OFFLINE_SEGMENT_S), "-hls_list_size", "0"),
        *("-hls_flags", "program_date_time+independent_segments"),
        *("-hls_playlist_type", "event", "-master_pl_name", "stream.m3u8", "-method", "PUT"),
        *("-hls_segment_filename", f"{receiver}/%v/stream-offline-%d.ts"),
        f"{receiver}/%v/stream.m3u8",
    ]


async def has_audio(path: Path) -> bool:
    """Return whether a media file has audio.

    Raises OperatorError if ffmpeg finds no video in it.
    """
    one_frame = ("-map", "0:v:0", "-frames:v", "1", "-f", "null", "-")
    command = [executable(), "-hide_banner", "-nostdin", "-i", f"file:{path}", *one_frame]
    pipe = asyncio.subprocess.PIPE
    probe = await process.spawn(command, stdout=asyncio.subprocess.DEVNULL, stderr=pipe)
    try:
        _, output = await asyncio.wait_for(probe.communicate(), PROBE_TIMEOUT_S)
    except TimeoutError:
        await process.stop(probe, 0)
        raise OperatorError(
            f"--source {path}: ffmpeg could not read the file within {PROBE_TIMEOUT_S:.0f} s"
        ) from None
    text = output.decode(errors="replace")
    if probe.returncode or re.search(_NOT_VIDEO, text):
        raise OperatorError(f"--source {path}: ffmpeg finds no video in it: use a media file")
    return re.search(r"Stream #0:.*: Audio:", text) is not None

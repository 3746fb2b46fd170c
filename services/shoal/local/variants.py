"""The renditions of a stream: bitrates and picture sizes."""

import re
from dataclasses import dataclass

MAX_RENDITIONS = 4
MIN_TOTAL_KBPS = 150
DEFAULT_KBPS = 1920

MAX_FRAME_RATE = 60

AUDIO_KBPS = 96
SMALL_AUDIO_KBPS = 48

# (from this many kbit/s, width, height, frames a second, audio kbit/s)
_SIZES = (
    (1500, 1280, 720, 30, AUDIO_KBPS),
    (800, 854, 480, 30, AUDIO_KBPS),
    (400, 640, 360, 30, AUDIO_KBPS),
    (0, 320, 180, 15, SMALL_AUDIO_KBPS),
)


@dataclass(frozen=True)
class Picture:
    """Size in pixels and frames a second."""

    width: int
    height: int
    frame_rate: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}@{self.frame_rate}"


# MPEG-TS around the streams: packet and PES headers, stuffing, tables. Fitted to 4 s segments of
# 150 to 6000 kbit/s, which it meets within 2 %.
TS_SHARE = 0.0384
TS_KBPS = 9.0
TS_KBPS_PER_FRAME_RATE = 0.6


@dataclass(frozen=True)
class Rendition:
    """One rendition. `total_kbps` is what a viewer downloads a second: video, audio, MPEG-TS."""

    total_kbps: int
    width: int
    height: int
    frame_rate: int
    audio_kbps: int

    @property
    def video_kbps(self) -> int:
        """What is left for the picture, kbit/s."""
        overhead = TS_SHARE * self.total_kbps + TS_KBPS + TS_KBPS_PER_FRAME_RATE * self.frame_rate
        return round(self.total_kbps - overhead) - self.audio_kbps


def parse_bitrate(text: str) -> int:
    """Return kbit/s for "1920", "1920k" or "1.92M".

    Raises ValueError for anything else, and below the least rate that carries picture and sound.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no bitrate: write it as 1920, 1920k or 1.92M (kbit/s)")
    kbps = round(float(found[1]) * (1000 if found[2] == "M" else 1))
    if kbps < MIN_TOTAL_KBPS:
        raise ValueError(f"{text!r} is below {MIN_TOTAL_KBPS} kbit/s, picture and sound need more")
    return kbps


def parse_picture(text: str) -> Picture:
    """Return the picture of "320x180@15".

    Raises ValueError for anything else, and for what libx264 does not take or nobody would watch.
    """
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})@(\d{1,2})", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no picture: write it as 320x180@15")
    picture = Picture(*(int(number) for number in found.groups()))
    if picture.width % 2 or picture.height % 2 or not 0 < picture.frame_rate <= MAX_FRAME_RATE:
        raise ValueError(f"{text!r}: sides must be even, frames a second 1 to {MAX_FRAME_RATE}")
    return picture


def ladder(total_kbps: int, count: int, picture: Picture | None = None) -> tuple[Rendition, ...]:
    """Return `count` renditions, each of half the bitrate of the one before; the first is the best.

    All have the same `picture`; without one each has a size that fits its bitrate.

    Raises ValueError when `count` is out of range or the last one would be too small.
    """
    if not 1 <= count <= MAX_RENDITIONS:
        raise ValueError(f"{count} renditions: choose 1 to {MAX_RENDITIONS}")
    smallest = total_kbps >> (count - 1)
    if smallest < MIN_TOTAL_KBPS:
        least = MIN_TOTAL_KBPS << (count - 1)
        raise ValueError(
            f"{count} renditions of {total_kbps} kbit/s end at {smallest} kbit/s: "
            f"raise the bitrate to {least} or ask for fewer"
        )
    return tuple(_rendition(total_kbps >> n, picture) for n in range(count))


def _rendition(total_kbps: int, picture: Picture | None) -> Rendition:
    if picture is not None:
        size = (picture.width, picture.height, picture.frame_rate)
        return Rendition(total_kbps, *size, SMALL_AUDIO_KBPS)
    for least, width, height, frame_rate, audio in _SIZES:
        if total_kbps >= least:
            return Rendition(total_kbps, width, height, frame_rate, audio)
    raise AssertionError("the last size takes every bitrate")

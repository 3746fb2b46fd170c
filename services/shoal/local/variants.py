"""The variants of a stream: their bitrates and picture sizes."""

import re
from dataclasses import dataclass

MAX_VARIANTS = 4
MIN_TOTAL_KBPS = 150
DEFAULT_KBPS = 1920

MAX_FRAME_RATE = 60

AUDIO_KBPS = 96
SMALL_AUDIO_KBPS = 48

# (minimum kbit/s, width, height, frames per second, audio kbit/s)
_SIZES = (
    (1500, 1280, 720, 30, AUDIO_KBPS),
    (800, 854, 480, 30, AUDIO_KBPS),
    (400, 640, 360, 30, AUDIO_KBPS),
    (0, 320, 180, 15, SMALL_AUDIO_KBPS),
)


@dataclass(frozen=True)
class Picture:
    """Size in pixels and frames per second."""

    width: int
    height: int
    frame_rate: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}@{self.frame_rate}"


# Overhead of MPEG-TS: packet and PES headers, stuffing, tables. Fitted to 4 s segments of 150 to
# 6000 kbit/s, accurate to 2 %.
TS_SHARE = 0.0384
TS_KBPS = 9.0
TS_KBPS_PER_FRAME_RATE = 0.6


@dataclass(frozen=True)
class Variant:
    """One variant. `total_kbps` is the rate that viewers download: video, audio and MPEG-TS."""

    total_kbps: int
    width: int
    height: int
    frame_rate: int
    audio_kbps: int

    @property
    def video_kbps(self) -> int:
        """Bitrate left for video, kbit/s."""
        overhead = TS_SHARE * self.total_kbps + TS_KBPS + TS_KBPS_PER_FRAME_RATE * self.frame_rate
        return round(self.total_kbps - overhead) - self.audio_kbps


def parse_bitrate(text: str) -> int:
    """Return kbit/s for "1920", "1920k" or "1.92M".

    Raises ValueError for anything else, and for less than video and audio need.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a bitrate: write 1920, 1920k or 1.92M (kbit/s)")
    kbps = round(float(match[1]) * (1000 if match[2] == "M" else 1))
    if kbps < MIN_TOTAL_KBPS:
        raise ValueError(
            f"{text!r} is too low: video and audio need at least {MIN_TOTAL_KBPS} kbit/s"
        )
    return kbps


def parse_picture(text: str) -> Picture:
    """Return the picture for a text such as "320x180@15".

    Raises ValueError for other text, and for sizes and frame rates that cannot be encoded.
    """
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})@(\d{1,2})", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a picture format: write it as 320x180@15")
    picture = Picture(*(int(number) for number in found.groups()))
    if picture.width % 2 or picture.height % 2 or not 0 < picture.frame_rate <= MAX_FRAME_RATE:
        raise ValueError(
            f"{text!r}: width and height must be even, frame rate 1 to {MAX_FRAME_RATE}"
        )
    return picture


def make_variants(
    total_kbps: int, count: int, picture: Picture | None = None
) -> tuple[Variant, ...]:
    """Return `count` variants, best first, each with half the bitrate of the one before it.

    All have the same `picture`, or else a size that suits their bitrate.

    Raises ValueError if `count` is out of range or the last bitrate would be too low.
    """
    if not 1 <= count <= MAX_VARIANTS:
        raise ValueError(f"{count} variants: choose 1 to {MAX_VARIANTS}")
    smallest = total_kbps >> (count - 1)
    if smallest < MIN_TOTAL_KBPS:
        min_kbps = MIN_TOTAL_KBPS << (count - 1)
        raise ValueError(
            f"{count} variants of {total_kbps} kbit/s end at {smallest} kbit/s: "
            f"raise --bitrate to {min_kbps} or lower --renditions"
        )
    return tuple(_variant(total_kbps >> n, picture) for n in range(count))


def _variant(total_kbps: int, picture: Picture | None) -> Variant:
    if picture is not None:
        size = (picture.width, picture.height, picture.frame_rate)
        return Variant(total_kbps, *size, SMALL_AUDIO_KBPS)
    for min_kbps, width, height, frame_rate, audio in _SIZES:
        if total_kbps >= min_kbps:
            return Variant(total_kbps, width, height, frame_rate, audio)
    raise AssertionError("the last size fits every bitrate")

"""The options of `shoal up`, and those of the encoder that it hands on.

Kept apart from what they start, so that `shoal --help` imports none of it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from shoal.local.owncast_output import PLAYLIST_SEGMENTS
from shoal.local.variants import (
    DEFAULT_KBPS,
    MAX_RENDITIONS,
    Picture,
    parse_bitrate,
    parse_picture,
)

GATEWAY_PORT = 8888
RTMP_PORT = 1935
MAX_PORT = 65535


@dataclass(frozen=True)
class Options:
    """What `shoal up` was asked for."""

    source: str
    port: int
    rtmp_port: int
    renditions: int
    segment_seconds: int
    bitrate_kbps: int
    data: Path
    reset: bool
    picture: Picture | None = None
    """None: as fits the bitrate"""


def bitrate_argument(text: str) -> int:
    """Return kbit/s, for argparse."""
    try:
        return parse_bitrate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def picture_argument(text: str) -> Picture:
    """Return a picture, for argparse."""
    try:
        return parse_picture(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def port_argument(text: str) -> int:
    """Return a TCP port, for argparse; 0 stands for any."""
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number up to {MAX_PORT}")
    return int(text)


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add the options about picture and sound, which `shoal up` shares."""
    parser.add_argument(
        "--source",
        default="test",
        metavar="test|rtmp|PATH",
        help="what plays without a push: the test picture, nothing, or a media file in a loop "
        "[%(default)s]",
    )
    parser.add_argument(
        "--renditions",
        type=int,
        choices=range(1, MAX_RENDITIONS + 1),
        default=1,
        help="how many [%(default)s]",
    )
    parser.add_argument(
        "--segment-seconds",
        type=int,
        choices=sorted(PLAYLIST_SEGMENTS),
        default=4,
        help="length of a segment [%(default)s]",
    )
    parser.add_argument(
        "--bitrate",
        type=bitrate_argument,
        default=DEFAULT_KBPS,
        metavar="KBPS",
        help="kbit/s of the best rendition, sound included: 1920, 1920k or 1.92M [%(default)s]",
    )
    parser.add_argument(
        "--picture",
        type=picture_argument,
        metavar="WxH@FPS",
        help="size and frames a second of every rendition, as in 320x180@15 [fits the bitrate]",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal up`."""
    add_stream_options(parser)
    parser.add_argument(
        "--port", type=port_argument, default=GATEWAY_PORT, help="gateway's; 0: any [%(default)s]"
    )
    parser.add_argument(
        "--rtmp-port",
        type=port_argument,
        default=RTMP_PORT,
        help="encoder's; 0: any [%(default)s]",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".shoal"),
        metavar="DIR",
        help="holds all state [%(default)s]",
    )
    parser.add_argument("--reset", action="store_true", help="wipe the data folder first")


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the typed options."""
    return Options(
        source=arguments.source,
        port=arguments.port,
        rtmp_port=arguments.rtmp_port,
        renditions=arguments.renditions,
        segment_seconds=arguments.segment_seconds,
        bitrate_kbps=arguments.bitrate,
        data=arguments.data,
        reset=arguments.reset,
        picture=arguments.picture,
    )

"""Command-line options of `shoal up`, some of which it passes on to the encoder.

Separate from the code that they configure, so that `shoal --help` does not import it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from shoal.local.owncast_output import PLAYLIST_SEGMENTS
from shoal.local.variants import (
    DEFAULT_KBPS,
    MAX_VARIANTS,
    Picture,
    parse_bitrate,
    parse_picture,
)

GATEWAY_PORT = 8888
RTMP_PORT = 1935
MAX_PORT = 65535


@dataclass(frozen=True)
class Options:
    """The options of one `shoal up`."""

    source: str
    port: int
    rtmp_port: int
    variants: int
    segment_seconds: int
    bitrate_kbps: int
    data: Path
    reset: bool
    picture: Picture | None = None
    """None: chosen by bitrate"""


def parse_bitrate_argument(text: str) -> int:
    """Return kbit/s; an argparse type."""
    try:
        return parse_bitrate(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_picture_argument(text: str) -> Picture:
    """Return a picture format; an argparse type."""
    try:
        return parse_picture(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_port_argument(text: str) -> int:
    """Return a TCP port, 0 for any; an argparse type."""
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: use a number from 0 to {MAX_PORT}"
        )
    return int(text)


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for video and audio, which `shoal up` and the encoder share."""
    parser.add_argument(
        "--source",
        default="test",
        metavar="test|rtmp|PATH",
        help="what to play while nobody publishes by RTMP: a test picture, nothing, or a media file"
        " in a loop [%(default)s]",
    )
    parser.add_argument(
        "--renditions",
        dest="variants",
        type=int,
        choices=range(1, MAX_VARIANTS + 1),
        default=1,
        help="number of variants (qualities) of the stream [%(default)s]",
    )
    parser.add_argument(
        "--segment-seconds",
        type=int,
        choices=sorted(PLAYLIST_SEGMENTS),
        default=4,
        help="duration of a segment, in seconds [%(default)s]",
    )
    parser.add_argument(
        "--bitrate",
        type=parse_bitrate_argument,
        default=DEFAULT_KBPS,
        metavar="KBPS",
        help="kbit/s of the best variant, audio included: 1920, 1920k or 1.92M [%(default)s]",
    )
    parser.add_argument(
        "--picture",
        type=parse_picture_argument,
        metavar="WxH@FPS",
        help="size and frame rate of every variant, such as 320x180@15 [chosen by bitrate]",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal up`."""
    add_stream_options(parser)
    parser.add_argument(
        "--port",
        type=parse_port_argument,
        default=GATEWAY_PORT,
        help="port of the gateway; 0: any free port [%(default)s]",
    )
    parser.add_argument(
        "--rtmp-port",
        type=parse_port_argument,
        default=RTMP_PORT,
        help="port for RTMP; 0: any free port [%(default)s]",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".shoal"),
        metavar="DIR",
        help="folder for all data [%(default)s]",
    )
    parser.add_argument(
        "--reset", action="store_true", help="delete the data folder's content first"
    )


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the parsed arguments as Options."""
    return Options(
        source=arguments.source,
        port=arguments.port,
        rtmp_port=arguments.rtmp_port,
        variants=arguments.variants,
        segment_seconds=arguments.segment_seconds,
        bitrate_kbps=arguments.bitrate,
        data=arguments.data,
        reset=arguments.reset,
        picture=arguments.picture,
    )

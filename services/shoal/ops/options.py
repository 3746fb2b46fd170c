"""The options of `shoal report`, `doctor`, `routes` and `cost`, apart from what they start."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shoal.errors import OperatorError
from shoal.local.variants import DEFAULT_KBPS, parse_bitrate
from shoal.ops.cost_model import Load, usual_share
from shoal.ops.show_routes import Question

PLAIN_MBPS_BELOW = 100
"""a bitrate without unit is Mbit/s below this, and kbit/s from here on, as in `shoal up`"""


@dataclass(frozen=True)
class ReportQuestion:
    """What `shoal report` was asked."""

    url: str | None
    data: Path
    """the local station's folder"""
    token_file: Path | None
    zone: str | None
    """the id of the media hostname's zone at Cloudflare"""
    zone_token_file: Path | None
    form: Literal["terminal", "markdown", "json"]
    html: Path | None


def _add_station(parser: argparse.ArgumentParser, by_default: str) -> None:
    """Add what says which station is meant."""
    parser.add_argument("url", nargs="?", metavar="URL", help=f"the station [{by_default}]")
    parser.add_argument(
        "--data", type=Path, default=Path(".shoal"), help="the local station's folder [%(default)s]"
    )


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal report`."""
    parser.description = (
        "Say where a station's video came from: EC2, the store, peers, the torrent seed; now and"
        " over 24 hours, by counters that do not know of each other."
    )
    _add_station(parser, "the local one")
    parser.add_argument(
        "--token-file",
        type=Path,
        help="the operator's token [the local station's, or $SHOAL_OPERATOR_TOKEN_FILE]",
    )
    parser.add_argument(
        "--zone", metavar="ID", help="ask Cloudflare's analytics of this zone what its edge sent"
    )
    parser.add_argument(
        "--zone-token-file",
        type=Path,
        help="a token that reads them [$SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE]",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument("--markdown", action="store_true", help="for issues and wikis")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with charts, in one file"
    )


def report_question_of(arguments: argparse.Namespace) -> ReportQuestion:
    """Return the typed options of `shoal report`."""
    return ReportQuestion(
        url=arguments.url,
        data=arguments.data,
        token_file=arguments.token_file,
        zone=arguments.zone,
        zone_token_file=arguments.zone_token_file,
        form="json" if arguments.json else "markdown" if arguments.markdown else "terminal",
        html=arguments.html,
    )


def add_routes_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal routes`."""
    parser.description = (
        "Print the route table, which the tunnel and the local gateway share. Addresses come from"
        " SHOAL_BROADCASTER_URL, SHOAL_SIGNALING_URL, SHOAL_SITE_URL and SHOAL_OWNCAST_URL."
    )
    parser.add_argument("--hostname", metavar="H", help="the station's, as in tv.example.org")
    parser.add_argument(
        "--access",
        action="store_true",
        help="Cloudflare Access guards Owncast: open /hls, /admin and the admin hostname",
    )
    parser.add_argument(
        "--admin-hostname", metavar="H", help="with --access [beside the station's: tv-admin.…]"
    )
    parser.add_argument(
        "--format",
        choices=("table", "cloudflared", "json"),
        default="table",
        help="cloudflared: its config.yml, for a tunnel in agent mode [%(default)s]",
    )
    parser.add_argument(
        "--check",
        metavar="URL",
        help="say as JSON which rule cloudflared takes for a URL, numbered from 0 as it does;"
        " without --hostname the URL's host is the station",
    )


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal doctor`."""
    parser.description = (
        "Look for everything that could be wrong with a station without anybody noticing; on its"
        " host also from inside. Ends with status 1 when something is broken. Takes up to 30 s."
    )
    _add_station(parser, "the one that is here")
    parser.add_argument("--json", action="store_true", help="for machines")


def routes_question_of(arguments: argparse.Namespace) -> Question:
    """Return the typed options of `shoal routes`."""
    return Question(
        hostname=arguments.hostname,
        admin_hostname=arguments.admin_hostname,
        access=arguments.access,
        format=arguments.format,
        check=arguments.check,
    )


def bitrate_argument(text: str) -> int:
    """Return kbit/s of "1.92" (Mbit/s), "1920k" or "1920", for argparse."""
    try:
        plain = float(text)
    except ValueError:
        plain = PLAIN_MBPS_BELOW  # a unit follows, or it is no number: see below
    try:
        return parse_bitrate(f"{text.strip()}M" if plain < PLAIN_MBPS_BELOW else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def share_argument(text: str) -> float:
    """Return a part of 1, of "0.8" or "80%", for argparse."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 0.8 or 80%") from None


def add_cost_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal cost`."""
    parser.description = "Print what a month's traffic costs: EC2 alone, R2 alone, R2 with peers."
    parser.add_argument(
        "--viewers", type=int, required=True, metavar="N", help="on average, while on air"
    )
    parser.add_argument(
        "--hours", type=float, default=1.0, metavar="H", help="on air in the month [%(default)g]"
    )
    parser.add_argument(
        "--bitrate",
        type=bitrate_argument,
        default=DEFAULT_KBPS,
        metavar="B",
        help="what a viewer downloads a second: 1.92 (Mbit/s), 1920k or 1920 [%(default)s]",
    )
    parser.add_argument(
        "--share",
        type=share_argument,
        metavar="S",
        help="what peers carry: 0.8 or 80%% [0.8, or (N-1)/N where that is less]",
    )
    parser.add_argument(
        "--segment-seconds",
        type=float,
        default=4.0,
        metavar="S",
        help="length of a segment, by which R2 counts requests [%(default)g]",
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def cost_load_of(arguments: argparse.Namespace) -> Load:
    """Return the load that `shoal cost` was asked about. Raises OperatorError when it cannot be."""
    share = usual_share(arguments.viewers) if arguments.share is None else arguments.share
    try:
        return Load(
            viewers=arguments.viewers,
            hours=arguments.hours,
            bitrate_kbps=arguments.bitrate,
            segment_s=arguments.segment_seconds,
            share=share,
        )
    except ValueError as error:
        raise OperatorError(str(error)) from error

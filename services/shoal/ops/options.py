"""The options of `shoal report`, `doctor`, `routes` and `cost`, without the code they start."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shoal.errors import OperatorError
from shoal.local.variants import DEFAULT_KBPS, parse_bitrate
from shoal.ops.cost_model import Load, default_share
from shoal.ops.show_routes import RoutesOptions

MAX_PLAIN_MBPS = 100
"""a bitrate without a unit means Mbit/s below this, and kbit/s from here on, as in `shoal up`"""


@dataclass(frozen=True)
class ReportOptions:
    """Options of `shoal report`."""

    url: str | None
    data: Path
    """the local station's folder"""
    token_file: Path | None
    zone: str | None
    """ID of the media hostname's zone at Cloudflare"""
    zone_token_file: Path | None
    format: Literal["terminal", "markdown", "json"]
    html: Path | None


def _add_station_options(parser: argparse.ArgumentParser, by_default: str) -> None:
    """Add the options that select a station."""
    parser.add_argument("url", nargs="?", metavar="URL", help=f"URL of the station [{by_default}]")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".shoal"),
        help="folder of the local station [%(default)s]",
    )


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal report`."""
    parser.description = (
        "Show where a station's video came from (EC2, the store, peers, the torrent seed), now and"
        " over the last 24 hours, and compare independent counters."
    )
    _add_station_options(parser, "the local one")
    parser.add_argument(
        "--token-file",
        type=Path,
        help="file with the operator's token [the local station's, or $SHOAL_OPERATOR_TOKEN_FILE]",
    )
    parser.add_argument(
        "--zone",
        metavar="ID",
        help="query what the edge sent from Cloudflare's analytics of this zone",
    )
    parser.add_argument(
        "--zone-token-file",
        type=Path,
        help="file with a token that reads them [$SHOAL_CLOUDFLARE_ANALYTICS_TOKEN_FILE]",
    )
    format_group = parser.add_mutually_exclusive_group()
    format_group.add_argument("--json", action="store_true", help="print JSON")
    format_group.add_argument(
        "--markdown", action="store_true", help="print Markdown, for issues and wikis"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with charts to one file"
    )


def report_options_of(arguments: argparse.Namespace) -> ReportOptions:
    """Return the typed options of `shoal report`."""
    return ReportOptions(
        url=arguments.url,
        data=arguments.data,
        token_file=arguments.token_file,
        zone=arguments.zone,
        zone_token_file=arguments.zone_token_file,
        format="json" if arguments.json else "markdown" if arguments.markdown else "terminal",
        html=arguments.html,
    )


def add_routes_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal routes`."""
    parser.description = (
        "Print the route table that the tunnel and the local gateway share. Addresses come from"
        " SHOAL_BROADCASTER_URL, SHOAL_SIGNALING_URL, SHOAL_SITE_URL and SHOAL_OWNCAST_URL."
    )
    parser.add_argument("--hostname", metavar="H", help="of the station, such as tv.example.org")
    parser.add_argument(
        "--access",
        action="store_true",
        help="Cloudflare Access protects Owncast: open /hls, /admin and the admin hostname",
    )
    parser.add_argument(
        "--admin-hostname",
        metavar="H",
        help="with --access [derived from the station's: tv-admin.…]",
    )
    parser.add_argument(
        "--format",
        choices=("table", "cloudflared", "json"),
        default="table",
        help="cloudflared: a config.yml for a locally managed tunnel [%(default)s]",
    )
    parser.add_argument(
        "--check",
        metavar="URL",
        help="print as JSON which rule cloudflared applies to a URL, numbered from 0 as it does;"
        " without --hostname the host of the URL is the station",
    )


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal doctor`."""
    parser.description = (
        "Check a station for faults that would otherwise go unnoticed, on its host from inside too."
        " Exits with status 1 when anything is broken. Takes up to 30 s."
    )
    _add_station_options(parser, "the one on this machine")
    parser.add_argument("--json", action="store_true", help="print JSON")


def routes_options_of(arguments: argparse.Namespace) -> RoutesOptions:
    """Return the typed options of `shoal routes`."""
    return RoutesOptions(
        hostname=arguments.hostname,
        admin_hostname=arguments.admin_hostname,
        access=arguments.access,
        format=arguments.format,
        check=arguments.check,
    )


def bitrate_argument(text: str) -> int:
    """Return the kbit/s of "1.92" (Mbit/s), "1920k" or "1920", for argparse."""
    try:
        plain = float(text)
    except ValueError:
        plain = MAX_PLAIN_MBPS  # with a unit, or not a number: parse_bitrate() decides
    try:
        return parse_bitrate(f"{text.strip()}M" if plain < MAX_PLAIN_MBPS else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def share_argument(text: str) -> float:
    """Return the fraction that "0.8" or "80%" stands for, for argparse."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share: write it like 0.8 or 80%"
        ) from None


def add_cost_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `shoal cost`."""
    parser.description = (
        "Estimate what a month's traffic costs: from EC2 alone, from R2 alone, from R2 with peers."
    )
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
        help="of the stream: 1.92 (Mbit/s), 1920k or 1920 [%(default)s]",
    )
    parser.add_argument(
        "--share",
        type=share_argument,
        metavar="S",
        help="what peers carry: 0.8 or 80%% [0.8, or (N-1)/N if that is less]",
    )
    parser.add_argument(
        "--segment-seconds",
        type=float,
        default=4.0,
        metavar="S",
        help="length of a segment: R2 bills requests for segments [%(default)g]",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def cost_load_of(arguments: argparse.Namespace) -> Load:
    """Return the load to estimate. Raises OperatorError if it is impossible."""
    share = default_share(arguments.viewers) if arguments.share is None else arguments.share
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

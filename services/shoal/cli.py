"""The `shoal` command."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from shoal.errors import OperatorError
from shoal.settings import (
    BroadcasterSettings,
    SignalingSettings,
    SiteSettings,
    StationSettings,
    describe,
    load,
)

SERVICES: dict[str, tuple[type[StationSettings], str]] = {
    "broadcaster": (BroadcasterSettings, "watch Owncast's folder, store and publish segments"),
    "signaling": (SignalingSettings, "bring viewers together in rooms"),
    "site": (SiteSettings, "serve the player and the station's figures"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="shoal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (settings, summary) in SERVICES.items():
        commands.add_parser(
            name,
            help=summary,
            description=f"{summary}. Runs until SIGTERM.",
            epilog=f"environment:\n{describe(settings)}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return parser


async def _run_service(name: str) -> None:
    if name == "broadcaster":
        from shoal.broadcaster.service import run as run_broadcaster

        await run_broadcaster(load(BroadcasterSettings))
    elif name == "signaling":
        from shoal.signaling.service import run as run_signaling

        await run_signaling(load(SignalingSettings))
    else:
        from shoal.site.service import run as run_site

        await run_site(load(SiteSettings))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status. An operator's mistake is one line, status 1."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=os.environ.get("SHOAL_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        asyncio.run(_run_service(arguments.command))
    except OperatorError as error:
        sys.stderr.write(f"shoal {arguments.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0

"""The `shoal` command: the services of a station, and the commands of its operator."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence

from shoal import logs
from shoal.config.settings import (
    BroadcasterSettings,
    SignalingSettings,
    SiteSettings,
    StationSettings,
    describe,
    load,
)
from shoal.errors import OperatorError
from shoal.local.options import add_options as add_up_options
from shoal.local.options import options_of as up_options_of
from shoal.ops.options import (
    add_cost_options,
    add_doctor_options,
    add_report_options,
    add_routes_options,
    cost_load_of,
    report_options_of,
    routes_options_of,
)

SERVICES: dict[str, tuple[type[StationSettings], str]] = {
    "broadcaster": (BroadcasterSettings, "read Owncast's segments, upload and publish them"),
    "signaling": (SignalingSettings, "connect viewers in rooms"),
    "site": (SiteSettings, "serve the player and the station's statistics"),
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
    up = commands.add_parser(
        "up",
        help="run a whole station on this machine until Ctrl-C",
        description="Run a whole station on this machine until Ctrl-C.",
    )
    add_up_options(up)
    add_report_options(
        commands.add_parser("report", help="show where the video came from, and what it cost")
    )
    add_doctor_options(commands.add_parser("doctor", help="check a station for faults"))
    add_routes_options(commands.add_parser("routes", help="show which path leads to which service"))
    add_cost_options(commands.add_parser("cost", help="estimate what a month's traffic costs"))
    return parser


def _run(arguments: argparse.Namespace) -> int:
    """Run a command; return its exit status."""
    if arguments.command == "doctor":
        from shoal.ops.doctor.doctor import run as run_doctor

        return run_doctor(arguments.url, arguments.data, as_json=arguments.json)
    if arguments.command == "report":
        from shoal.ops.report import run as run_report

        run_report(report_options_of(arguments))
    elif arguments.command == "routes":
        from shoal.ops.show_routes import run as run_routes

        run_routes(routes_options_of(arguments))
    elif arguments.command == "cost":
        from shoal.ops.cost import run as run_cost

        run_cost(cost_load_of(arguments), as_json=arguments.json)
    elif arguments.command == "up":
        from shoal.local.up import run as run_up

        asyncio.run(run_up(up_options_of(arguments)))
    else:
        with asyncio.Runner(loop_factory=_event_loop(arguments.command)) as runner:
            runner.run(_run_service(arguments.command))
    return 0


def _event_loop(service: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of a service's event loop; None means asyncio's own.

    Signaling uses uvloop for its many sockets. The others send files, and uvloop has no sendfile().
    """
    if service != "signaling":
        return None
    import uvloop

    return uvloop.new_event_loop


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
    """Run one command; return its exit status. An OperatorError gives one line and 1."""
    arguments = _parser().parse_args(argv)
    logs.set_up(os.environ.get("SHOAL_LOG_LEVEL", "INFO").upper())
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        return _run(arguments)
    except OperatorError as error:
        sys.stderr.write(f"shoal {arguments.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

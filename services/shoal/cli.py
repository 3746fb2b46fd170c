"""The `shoal` command."""

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
    report_question_of,
    routes_question_of,
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
    up = commands.add_parser(
        "up",
        help="run a whole station on this machine until Ctrl-C",
        description="Run a whole station on this machine until Ctrl-C.",
    )
    add_up_options(up)
    add_report_options(commands.add_parser("report", help="where the video came from, and cost"))
    add_doctor_options(commands.add_parser("doctor", help="what is wrong with a station, if any"))
    add_routes_options(commands.add_parser("routes", help="which path leads to which service"))
    add_cost_options(commands.add_parser("cost", help="what a month's traffic costs, three ways"))
    return parser


def _run(arguments: argparse.Namespace) -> int:
    """Run a command; return its exit status."""
    if arguments.command == "doctor":
        from shoal.ops.doctor.doctor import run as run_doctor

        return run_doctor(arguments.url, arguments.data, as_json=arguments.json)
    if arguments.command == "report":
        from shoal.ops.report import run as run_report

        run_report(report_question_of(arguments))
    elif arguments.command == "routes":
        from shoal.ops.show_routes import run as run_routes

        run_routes(routes_question_of(arguments))
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
    """Return what makes a service's event loop; None stands for asyncio's own.

    Signaling has uvloop's for its crowd. The others send files, for which uvloop lacks sendfile().
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
    """Run one command; return its exit status. An operator's mistake is one line, status 1."""
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

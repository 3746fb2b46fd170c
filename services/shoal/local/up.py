"""`shoal up`: runs a complete station on this machine until Ctrl-C."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from shoal.aio import until_first_ends
from shoal.errors import OperatorError
from shoal.local import owncast, ports
from shoal.local.data_dir import DataDir, write_json
from shoal.local.gateway import Gateway
from shoal.local.options import Options
from shoal.local.stack import (
    FREE_PORTS,
    SERVICES,
    BroadcasterStatus,
    Stack,
    broadcaster_status,
    health,
)
from shoal.local.supervisor import Supervisor
from shoal.local.variants import make_variants

HEALTHY_TIMEOUT_S = 60.0
HEALTH_EVERY_S = 0.2
PICTURE_TIMEOUT_S = 30.0
"""until the first segment is published, not counting its own duration"""
PLAYER = Path(__file__).parent.parent / "site" / "static" / "index.html"
KILLED_STATUS = 130
HEALTHY = ("ok", "degraded")

console = Console(highlight=False, soft_wrap=True)


async def run(options: Options) -> None:
    """Run the station until SIGINT, SIGTERM or SIGHUP; a second signal kills it at once.

    Raises OperatorError for a problem that the operator can fix.
    """
    station = _LocalStation(options)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(station.run())

    def stop() -> None:
        if running.cancelling():
            station.kill()
            os._exit(KILLED_STATUS)
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await running


class _LocalStation:
    """One run of the station."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._data = DataDir(options.data)
        self._stack: Stack | None = None
        self._supervisor = Supervisor(self._data.logs, self._print, self._write_local_json)

    async def run(self) -> None:
        """Check, start and wait; stop everything in any case."""
        await _check(self._options)
        self._data.open(reset=self._options.reset)
        try:
            await self._run()
        finally:
            self._data.local_json.unlink(missing_ok=True)
            if self._stack is not None:
                self._print("stopping")
                await self._supervisor.stop()
                self._stack.store.remove_sockets()
            self._data.close()

    def kill(self) -> None:
        """Kill all processes now."""
        self._supervisor.kill()
        self._data.close()

    async def _run(self) -> None:
        chosen = self._choose_ports()
        stack = self._stack = Stack(self._options, self._data, chosen)
        stack.store.remove_sockets()  # left by a run that was killed
        stack.store.prepare()
        gateway = Gateway(stack.upstreams, chosen["gateway"], chosen["gateway_metrics"])
        await gateway.start()
        try:
            await self._start(stack)
            self._supervisor.started = True
            healths = await _all_health(stack)
            self._print_table(stack, healths)
            self._write_local_json()
            await asyncio.Event().wait()
        finally:
            await gateway.close()

    async def _start(self, stack: Stack) -> None:
        self._print("starting the station…")
        self._supervisor.start(stack.store_program())
        self._supervisor.start(stack.encoder_program())
        for name in SERVICES:
            self._supervisor.start(stack.service_program(name))
        await self._unless_a_program_fails(stack.store.make_ready())
        await self._unless_a_program_fails(_until_healthy(stack))
        if self._options.source != "rtmp":
            await self._unless_a_program_fails(self._until_published(stack))

    async def _unless_a_program_fails(self, waiting: Coroutine[None, None, None]) -> None:
        """Wait for `waiting`. Raises OperatorError if a program fails meanwhile."""
        await until_first_ends(waiting, self._supervisor.wait_for_failure())

    async def _until_published(self, stack: Stack) -> None:
        timeout_s = PICTURE_TIMEOUT_S + 2 * self._options.segment_seconds
        now = BroadcasterStatus(0, ())
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
                before = await broadcaster_status(session, stack)
                while True:
                    now = await broadcaster_status(session, stack)
                    if now.segments > before.segments:
                        return
                    await asyncio.sleep(HEALTH_EVERY_S)
        except TimeoutError:
            output = self._supervisor.last_output("encoder")
            causes = "; ".join((*now.problems, f"encoder: {output}"))
            raise OperatorError(
                f"no video: the station published no segment within {timeout_s:.0f} s ({causes});"
                f" see the logs in {self._data.logs}"
            ) from None

    def _choose_ports(self) -> dict[str, int]:
        remembered = self._data.remembered_ports()
        from_options = {"gateway": self._options.port, "rtmp": self._options.rtmp_port}
        fixed = {name: port for name, port in from_options.items() if port}
        unfixed = [name for name in (*from_options, *FREE_PORTS) if name not in fixed]
        taken = set(fixed.values())
        usable = {name: port for name, port in remembered.items() if port not in taken}
        chosen = {**ports.free_ports(unfixed, usable), **fixed}
        self._data.remember_ports(chosen)
        return chosen

    def _print_table(self, stack: Stack, healths: dict[str, str]) -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("service", "URL", "health"):
            table.add_column(column, no_wrap=True)
        local = stack.description({})
        for name in ("watch", "playlist"):
            table.add_row(name, str(local[name]), "")
        key = "any key" if self._options.source == "rtmp" else "any key; replaces the source"
        table.add_row("rtmp", f"{local['rtmp']}/<key>", key)
        for name in (*SERVICES, "store", "encoder"):
            url = local["owncast" if name == "encoder" else name]
            table.add_row(name, str(url), healths[name])
        with contextlib.suppress(OSError):
            console.print(table)
        self._print(f"\nOpen {local['watch']} in two browser windows. Ctrl-C stops the station.")

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be closed
            console.print(text, markup=False)

    def _write_local_json(self) -> None:
        if self._supervisor.started and self._stack is not None:
            try:
                write_json(self._data.local_json, self._stack.description(self._supervisor.pids))
            except OSError as error:
                self._print(f"cannot write {self._data.local_json}: {error.strerror}")


async def _check(options: Options) -> None:
    """Raise OperatorError for problems that can be found before anything starts."""
    if not PLAYER.exists():
        raise OperatorError("the player is not built: run `make up`, which builds it")
    try:
        variants = make_variants(options.bitrate_kbps, options.variants, options.picture)
    except ValueError as error:
        raise OperatorError(str(error)) from None
    for flag, port in (("--port", options.port), ("--rtmp-port", options.rtmp_port)):
        if port and not ports.is_free(port):
            owner = ports.owner(port)
            use = f"in use by {owner}: stop it" if owner else "in use: free it"
            raise OperatorError(f"port {port} is {use}, or choose another port with {flag}")
    if options.port and options.port == options.rtmp_port:
        raise OperatorError(f"--port and --rtmp-port are both {options.port}: change one")
    await owncast.source_input(options.source, variants[0])


async def _until_healthy(stack: Stack) -> None:
    healths: dict[str, str] = {}
    try:
        async with asyncio.timeout(HEALTHY_TIMEOUT_S):
            while True:
                healths = await _all_health(stack)
                if all(status in HEALTHY for status in healths.values()):
                    return
                await asyncio.sleep(HEALTH_EVERY_S)
    except TimeoutError:
        unhealthy = ", ".join(
            f"{name}: {status}" for name, status in healths.items() if status not in HEALTHY
        )
        raise OperatorError(
            f"not healthy after {HEALTHY_TIMEOUT_S:.0f} s: {unhealthy}; see the logs"
        ) from None


async def _all_health(stack: Stack) -> dict[str, str]:
    urls = stack.health_urls()
    async with aiohttp.ClientSession() as session:
        statuses = await asyncio.gather(*(health(session, url) for url in urls.values()))
    return dict(zip(urls, statuses, strict=True))

"""`shoal up`: a whole station on this machine, until Ctrl-C."""

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
from shoal.local import owncast, ports, variants
from shoal.local.data_dir import DataDir, write_json
from shoal.local.gateway import Gateway
from shoal.local.options import Options
from shoal.local.stack import FREE_PORTS, SERVICES, Publishing, Stack, health, publishing
from shoal.local.supervisor import Supervisor

HEALTHY_TIMEOUT_S = 60.0
HEALTH_EVERY_S = 0.2
PICTURE_TIMEOUT_S = 30.0
"""for a first segment, its own length apart"""
PLAYER = Path(__file__).parent.parent / "site" / "static" / "index.html"
KILLED_STATUS = 130
WELL = ("ok", "degraded")

console = Console(highlight=False, soft_wrap=True)


async def run(options: Options) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; a second signal kills it at once.

    Raises OperatorError when something that the operator can mend is in the way.
    """
    up = _Up(options)
    loop = asyncio.get_running_loop()
    working = asyncio.create_task(up.run())

    def stop() -> None:
        if working.cancelling():
            up.kill()
            os._exit(KILLED_STATUS)
        working.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await working


class _Up:
    """One run of the stack."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._data = DataDir(options.data)
        self._stack: Stack | None = None
        self._supervisor = Supervisor(self._data.logs, self._say, self._describe)

    async def run(self) -> None:
        """Check, start, wait; whatever happens, stop."""
        await _check(self._options)
        self._data.open(reset=self._options.reset)
        try:
            await self._run()
        finally:
            self._data.local_json.unlink(missing_ok=True)
            if self._stack is not None:
                self._say("stopping")
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
        stack.store.remove_sockets()  # left by one that was killed
        stack.store.prepare()
        gateway = Gateway(stack.upstreams, chosen["gateway"], chosen["gateway_metrics"])
        await gateway.start()
        try:
            await self._start(stack)
            self._supervisor.started = True
            healths = await _healths(stack)
            self._print(stack, healths)
            self._describe()
            await asyncio.Event().wait()
        finally:
            await gateway.close()

    async def _start(self, stack: Stack) -> None:
        self._say("starting the station…")
        self._supervisor.start(stack.store_program())
        self._supervisor.start(stack.encoder_program())
        for name in SERVICES:
            self._supervisor.start(stack.service_program(name))
        await self._unless_failing(stack.store.make_ready())
        await self._unless_failing(_until_healthy(stack))
        if self._options.source != "rtmp":
            await self._unless_failing(self._until_published(stack))

    async def _unless_failing(self, waiting: Coroutine[None, None, None]) -> None:
        """Wait for something; raises the OperatorError of a program that fails meanwhile."""
        await until_first_ends(waiting, self._supervisor.failure())

    async def _until_published(self, stack: Stack) -> None:
        timeout_s = PICTURE_TIMEOUT_S + 2 * self._options.segment_seconds
        said = Publishing(0, ())
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
                before = await publishing(session, stack)
                while True:
                    said = await publishing(session, stack)
                    if said.segments > before.segments:
                        return
                    await asyncio.sleep(HEALTH_EVERY_S)
        except TimeoutError:
            why = "; ".join((*said.problems, f"encoder: {self._supervisor.last_words('encoder')}"))
            raise OperatorError(
                f"no picture: no segment was published within {timeout_s:.0f} s ({why}; more in"
                f" {self._data.logs})"
            ) from None

    def _choose_ports(self) -> dict[str, int]:
        remembered = self._data.remembered_ports()
        named = {"gateway": self._options.port, "rtmp": self._options.rtmp_port}
        fixed = {name: port for name, port in named.items() if port}
        others = [name for name in (*named, *FREE_PORTS) if name not in fixed]
        taken = set(fixed.values())
        usable = {name: port for name, port in remembered.items() if port not in taken}
        chosen = {**ports.free_ports(others, usable), **fixed}
        self._data.remember_ports(chosen)
        return chosen

    def _print(self, stack: Stack, healths: dict[str, str]) -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("part", "URL", "health"):
            table.add_column(column, no_wrap=True)
        local = stack.description({})
        for name in ("watch", "playlist"):
            table.add_row(name, str(local[name]), "")
        key = "any key" if self._options.source == "rtmp" else "any key; takes over"
        table.add_row("rtmp", f"{local['rtmp']}/<key>", key)
        for name in (*SERVICES, "store", "encoder"):
            url = local["owncast" if name == "encoder" else name]
            table.add_row(name, str(url), healths[name])
        with contextlib.suppress(OSError):
            console.print(table)
        self._say(f"\nOpen {local['watch']} in two browser windows. Ctrl-C stops the station.")

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            console.print(text, markup=False)

    def _describe(self) -> None:
        if self._supervisor.started and self._stack is not None:
            try:
                write_json(self._data.local_json, self._stack.description(self._supervisor.pids))
            except OSError as error:
                self._say(f"cannot write {self._data.local_json}: {error.strerror}")


async def _check(options: Options) -> None:
    """Raise OperatorError for what can be known to fail before anything starts."""
    if not PLAYER.exists():
        raise OperatorError("the player is not built: run `make up`, which builds it first")
    try:
        renditions = variants.ladder(options.bitrate_kbps, options.renditions, options.picture)
    except ValueError as error:
        raise OperatorError(str(error)) from None
    for flag, port in (("--port", options.port), ("--rtmp-port", options.rtmp_port)):
        if port and not ports.is_free(port):
            who = ports.owner(port)
            by = f"taken by {who}: stop it" if who else "taken: stop what uses it"
            raise OperatorError(f"port {port} is {by}, or choose another one with {flag}")
    if options.port and options.port == options.rtmp_port:
        raise OperatorError(f"--port and --rtmp-port are both {options.port}: change one of them")
    await owncast.source_input(options.source, renditions[0])


async def _until_healthy(stack: Stack) -> None:
    healths: dict[str, str] = {}
    try:
        async with asyncio.timeout(HEALTHY_TIMEOUT_S):
            while True:
                healths = await _healths(stack)
                if all(said in WELL for said in healths.values()):
                    return
                await asyncio.sleep(HEALTH_EVERY_S)
    except TimeoutError:
        ill = ", ".join(f"{name}: {said}" for name, said in healths.items() if said not in WELL)
        raise OperatorError(
            f"not healthy after {HEALTHY_TIMEOUT_S:.0f} s: {ill}; see the logs"
        ) from None


async def _healths(stack: Stack) -> dict[str, str]:
    urls = stack.health_urls()
    async with aiohttp.ClientSession() as session:
        said = await asyncio.gather(*(health(session, url) for url in urls.values()))
    return dict(zip(urls, said, strict=True))

"""Receives the files that ffmpeg PUTs and writes them in place, as Owncast's receiver does.

Deliberately not atomic: as with a real Owncast, readers of the folder may see a segment or playlist
that is only partly written.
"""

import asyncio
import logging
import os

from aiohttp import web

from shoal.local.owncast_output import OwncastOutput

FILE_MODE = 0o644
MAX_SEGMENT_BYTES = 256 * 1024 * 1024

log = logging.getLogger("shoal.local.receiver")


class Receiver:
    """An HTTP server on a random loopback port; ffmpeg PUTs files to `url`."""

    def __init__(self, output: OwncastOutput) -> None:
        self._output = output
        self._runner: web.AppRunner | None = None
        self._writing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.url = ""
        self.files = 0
        """files received since the start"""

    async def start(self) -> None:
        """Listen on a port that the kernel chooses."""
        app = web.Application(client_max_size=MAX_SEGMENT_BYTES)
        app.router.add_put("/{path:.*}", self._put)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def wait_idle(self) -> None:
        """Wait until no file is being written."""
        await self._idle.wait()

    async def _put(self, request: web.Request) -> web.Response:
        path = self._output.path_of(request.path)
        if path is None:
            log.warning("refused a PUT of %s", request.path)
            return web.Response(status=404)
        self._writing += 1
        self._idle.clear()
        try:
            # deliberately blocking: writes are small and local, and their order must be Owncast's
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(os.open(path, flags, FILE_MODE), "wb", buffering=0) as file:  # noqa: ASYNC230, PTH123
                async for chunk in request.content.iter_any():
                    file.write(chunk)
        except OSError as error:
            log.error("cannot write %s: %s", path, error.strerror)
            return web.Response(status=500)
        finally:
            self._writing -= 1
            if self._writing == 0:
                self._idle.set()
        self.files += 1
        return web.Response()

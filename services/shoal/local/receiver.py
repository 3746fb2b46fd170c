"""Where ffmpeg PUTs its files: written in place as they arrive, as Owncast's own receiver does.

Nothing is atomic here on purpose: a reader of the folder may see a segment or a playlist half
written, just as beside a real Owncast.
"""

import asyncio
import logging
import os

from aiohttp import web

from shoal.local.owncast_output import HlsFolder

FILE_MODE = 0o644
MAX_SEGMENT_BYTES = 256 * 1024 * 1024

log = logging.getLogger("shoal.local.receiver")


class Receiver:
    """An HTTP server on a random loopback port; `url` is where ffmpeg PUTs."""

    def __init__(self, folder: HlsFolder) -> None:
        self._folder = folder
        self._runner: web.AppRunner | None = None
        self._writing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.url = ""
        self.files = 0
        """files received since the start"""

    async def start(self) -> None:
        """Listen, on a port that the kernel chooses."""
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

    async def settled(self) -> None:
        """Wait until no file is being written."""
        await self._idle.wait()

    async def _put(self, request: web.Request) -> web.Response:
        path = self._folder.path_of(request.path)
        if path is None:
            log.warning("refused a PUT of %s", request.path)
            return web.Response(status=404)
        self._writing += 1
        self._idle.clear()
        try:
            # blocking writes on purpose: small, local, and their order is what is imitated
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

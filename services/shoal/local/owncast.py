"""The stand-in for Owncast: takes RTMP, leaves the same files, answers on the same HTTP paths.

It imitates Owncast ≥ 0.2.0 from outside: the folder `data/hls` with its modes and habits, one new
id for each stream, `/hls/…` and `/api/status`. It has no chat, no admin pages and checks no key.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aiohttp import web

from shoal import web as shoal_web
from shoal.errors import OperatorError
from shoal.local import ffmpeg
from shoal.local.encoder import Encoder, Plan
from shoal.local.options import add_stream_options
from shoal.local.owncast_output import HLS_FOLDER, PLAYLIST_SEGMENTS, HlsFolder
from shoal.local.receiver import Receiver
from shoal.local.rtmp import RtmpPort
from shoal.local.variants import Rendition, ladder

VERSION = "0.2.5"  # the Owncast that is imitated
RESUME_AFTER_S = 5.0
EMPTY_AFTER_S = 300.0  # Owncast's StartOfflineCleanupTimer
VIEWER_GONE_S = 15.0  # Owncast's _activeViewerPurgeTimeout
OWNCAST_UMASK = 0o022

log = logging.getLogger("shoal.local.owncast")


async def source_input(source: str, best: Rendition) -> ffmpeg.Input | None:
    """Return what plays without a push for `--source`, None for "rtmp".

    Raises OperatorError when it names a file that cannot be read or holds no video.
    """
    if source == "rtmp":
        return None
    if source == "test":
        return ffmpeg.test_input(best)
    path = Path(source).resolve()  # noqa: ASYNC240 - once, at the start
    if not path.is_file():
        raise OperatorError(f'--source {source}: no such file: name one, or "test" or "rtmp"')
    if not os.access(path, os.R_OK):
        raise OperatorError(f"--source {source}: may not be read: give yourself the permission")
    return ffmpeg.file_input(path, has_sound=await ffmpeg.has_sound(path))


class Audience:
    """Who loads the playlists, as Owncast counts them: by address and browser."""

    def __init__(self) -> None:
        self._seen_at: dict[tuple[str, str], float] = {}

    def seen(self, viewer: tuple[str, str], now_s: float) -> None:
        """Take note of a request."""
        self._seen_at[viewer] = now_s

    def count(self, now_s: float) -> int:
        """Return how many there are now."""
        for viewer, at in list(self._seen_at.items()):
            if now_s - at > VIEWER_GONE_S:
                del self._seen_at[viewer]
        return len(self._seen_at)


def http_api(encoder: Encoder, folder: HlsFolder, segment_s: int) -> web.Application:
    """Return the paths of Owncast's HTTP port that the station knows."""

    audience = Audience()

    async def status(_request: web.Request) -> web.Response:
        viewers = audience.count(time.monotonic())
        return web.json_response(
            {
                "serverTime": _rfc3339(datetime.now(UTC)),
                "lastConnectTime": _rfc3339(encoder.connected_at),
                "lastDisconnectTime": _rfc3339(encoder.disconnected_at),
                "versionNumber": VERSION,
                "streamTitle": "",
                **({"viewerCount": viewers} if viewers else {}),
                "online": encoder.online,
            },
            headers={"Cache-Control": "no-cache, no-store, must-revalidate"},
        )

    async def hls(request: web.Request) -> web.StreamResponse:
        path = folder.path_of("/" + request.match_info["path"])
        if path is None or not path.is_file():
            raise web.HTTPNotFound
        kind: Literal["m3u8", "ts"] = "m3u8" if path.suffix == ".m3u8" else "ts"
        if kind == "m3u8":
            audience.seen(
                (request.remote or "", request.headers.get("User-Agent", "")), time.monotonic()
            )
        headers = {
            "m3u8": {
                "Content-Type": "application/x-mpegURL",
                "Cache-Control": "no-cache, no-store, must-revalidate",
            },
            "ts": {
                "Content-Type": "video/mp2t",
                "Cache-Control": f"public, max-age={_max_age_s(segment_s)}",
            },
        }[kind]
        headers["Access-Control-Allow-Origin"] = "*"
        return web.FileResponse(path, headers=headers)

    app = web.Application()
    app.router.add_get("/api/status", status)
    app.router.add_get("/hls/{path:.*}", hls)
    return app


def _max_age_s(segment_s: int) -> int:
    return segment_s * PLAYLIST_SEGMENTS[segment_s]


def _rfc3339(when: datetime | None) -> str | None:
    return when.isoformat().replace("+00:00", "Z") if when else None


async def run(arguments: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT. Raises OperatorError for what the operator can mend."""
    stop = asyncio.create_task(shoal_web.stop_event().wait())
    renditions = ladder(arguments.bitrate, arguments.renditions, arguments.picture)
    own = await source_input(arguments.source, renditions[0])
    folder = HlsFolder(arguments.directory / HLS_FOLDER, len(renditions))
    receiver = Receiver(folder)
    plan = Plan(
        own, renditions, arguments.segment_seconds, arguments.resume_after, arguments.empty_after
    )
    encoder = Encoder(plan, folder, receiver)
    rtmp = RtmpPort(arguments.rtmp_port, encoder.take)
    try:
        folder.reset()
    except OSError as error:
        raise OperatorError(f"cannot write {folder.root}: {error.strerror}") from error
    await receiver.start()
    api = http_api(encoder, folder, arguments.segment_seconds)
    runner = await shoal_web.start(api, "owncast", f"http://127.0.0.1:{arguments.http_port}")
    encoding = asyncio.create_task(encoder.run())
    try:
        await rtmp.start()
        await asyncio.wait((encoding, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        encoding.cancel()
        await rtmp.close()
        outcome = (await asyncio.gather(encoding, return_exceptions=True))[0]
        await receiver.close()
        await runner.cleanup()
    if isinstance(outcome, Exception):
        raise outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stand-in; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shoal.local.owncast", description=__doc__)
    add_stream_options(parser)
    parser.add_argument(
        "--directory", type=Path, required=True, help="working directory; files go to data/hls/"
    )
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--rtmp-port", type=int, required=True)
    parser.add_argument(
        "--resume-after",
        type=float,
        default=RESUME_AFTER_S,
        metavar="SECONDS",
        help="without a push, until the source resumes [%(default)s]",
    )
    parser.add_argument(
        "--empty-after",
        type=float,
        default=EMPTY_AFTER_S,
        metavar="SECONDS",
        help="with --source rtmp: after a stream, until the folder is emptied [%(default)s]",
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.umask(OWNCAST_UMASK)
    try:
        asyncio.run(run(arguments))
    except (OperatorError, ValueError) as error:
        sys.stderr.write(f"encoder: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

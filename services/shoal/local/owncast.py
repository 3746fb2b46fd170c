"""A stand-in for Owncast: accepts RTMP, writes the same files, serves the same HTTP paths.

It imitates the outside of Owncast ≥ 0.2.0: the folder `data/hls` with its modes and changes, a new
id for each stream, `/hls/…` and `/api/status`. It has no chat or admin pages, and accepts any key.
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
from shoal.local.encoder import Encoder, EncoderSettings
from shoal.local.options import add_stream_options
from shoal.local.owncast_output import HLS_FOLDER, PLAYLIST_SEGMENTS, OwncastOutput
from shoal.local.receiver import Receiver
from shoal.local.rtmp import RtmpPort
from shoal.local.variants import Variant, make_variants

VERSION = "0.2.5"  # the imitated version of Owncast
RESUME_AFTER_S = 5.0
EMPTY_AFTER_S = 300.0  # Owncast's StartOfflineCleanupTimer
VIEWER_GONE_S = 15.0  # Owncast's _activeViewerPurgeTimeout
OWNCAST_UMASK = 0o022

log = logging.getLogger("shoal.local.owncast")


async def source_input(source: str, best: Variant) -> ffmpeg.Input | None:
    """Return the input that plays while nobody publishes, for `--source`; None for "rtmp".

    Raises OperatorError if the source is a file that cannot be read or contains no video.
    """
    if source == "rtmp":
        return None
    if source == "test":
        return ffmpeg.test_input(best)
    path = Path(source).resolve()  # noqa: ASYNC240 - once, at the start
    if not path.is_file():
        raise OperatorError(f'--source {source}: no such file: use a media file, "test" or "rtmp"')
    if not os.access(path, os.R_OK):
        raise OperatorError(f"--source {source}: permission denied: make the file readable")
    return ffmpeg.file_input(path, has_audio=await ffmpeg.has_audio(path))


class Audience:
    """Counts viewers as Owncast does: by the addresses and browsers that load playlists."""

    def __init__(self) -> None:
        self._seen_at: dict[tuple[str, str], float] = {}

    def seen(self, viewer: tuple[str, str], now_s: float) -> None:
        """Record a request by a viewer."""
        self._seen_at[viewer] = now_s

    def count(self, now_s: float) -> int:
        """Return the number of current viewers."""
        for viewer, seen_at in list(self._seen_at.items()):
            if now_s - seen_at > VIEWER_GONE_S:
                del self._seen_at[viewer]
        return len(self._seen_at)


def http_api(encoder: Encoder, output: OwncastOutput, segment_s: int) -> web.Application:
    """Return an application with the paths of Owncast's HTTP port that the station uses."""

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
        path = output.path_of("/" + request.match_info["path"])
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
    """Run until SIGTERM or SIGINT. Raises OperatorError for a problem the operator can fix."""
    stop = asyncio.create_task(shoal_web.stop_event().wait())
    variants = make_variants(arguments.bitrate, arguments.variants, arguments.picture)
    fallback = await source_input(arguments.source, variants[0])
    output = OwncastOutput(arguments.directory / HLS_FOLDER, len(variants))
    receiver = Receiver(output)
    settings = EncoderSettings(
        fallback, variants, arguments.segment_seconds, arguments.resume_after, arguments.empty_after
    )
    encoder = Encoder(settings, output, receiver)
    rtmp = RtmpPort(arguments.rtmp_port, encoder.accept)
    try:
        output.reset()
    except OSError as error:
        raise OperatorError(f"cannot write {output.root}: {error.strerror}") from error
    await receiver.start()
    api = http_api(encoder, output, arguments.segment_seconds)
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
    """Run the stand-in and return its exit status."""
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
        help="how long after a publisher leaves the source resumes [%(default)s]",
    )
    parser.add_argument(
        "--empty-after",
        type=float,
        default=EMPTY_AFTER_S,
        metavar="SECONDS",
        help="with --source rtmp, how long after a stream the folder is emptied [%(default)s]",
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

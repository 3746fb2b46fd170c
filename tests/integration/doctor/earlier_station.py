"""The five faults that went unnoticed at an earlier station."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from tests.integration.doctor.cases import Case, edit, fault_at, misroute, swap
from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation

NOBODY = 65534


def without_engine(reply: Reply) -> None:
    """Make the page play with hls.js alone."""
    html = re.sub(rb"<script[^>]*></script>|<link[^>]*modulepreload[^>]*>", b"", reply.body)
    reply.body = html.replace(b"</body>", b"<script src='/hls.min.js'></script></body>")


@contextmanager
def closed_folder(faulty: FaultyStation) -> Iterator[None]:
    """Let the broadcaster run as another user, and only Owncast read the folder.

    The broadcaster runs as root here, so a process of the user nobody stands in for it.
    """
    hls = Path(faulty.station.local["hls_dir"])
    assert os.geteuid() == 0, "this test needs root to become another user"
    process = subprocess.Popen(["sleep", "600"], user=NOBODY, group=NOBODY, extra_groups=[])
    folders = [hls, *(path for path in hls.iterdir() if path.is_dir())]
    modes = [folder.stat().st_mode & 0o7777 for folder in folders]
    try:
        for folder in folders:
            folder.chmod(0o755)
        folders[-1].chmod(0o700)
        pids = {**faulty.station.local["pids"], "broadcaster": process.pid}
        faulty.describe(pids=pids)
        yield
        folders[-1].chmod(0o755)
        repaired = faulty.doctor().checks["hls folder"]
        assert repaired["state"] == "ok", repaired
    finally:
        for folder, mode in zip(folders, modes, strict=True):
            folder.chmod(mode)
        process.kill()
        process.wait()
        faulty.describe()


def frozen() -> Callable[[FaultyStation], Fault]:
    """Return a fault: the first response to each request is repeated forever."""

    def make(_faulty: FaultyStation) -> Fault:
        first_bodies: dict[str, bytes] = {}

        def edited(request: web.Request, reply: Reply) -> None:
            if request.path.startswith("/live/"):
                reply.body = first_bodies.setdefault(request.path, reply.body)

        return Fault(edit=edited)

    return make


def report_ok(reply: Reply) -> None:
    """Report that all is well, although nothing has been published for an hour."""
    health = json.loads(reply.body)
    health |= {"status": "ok", "problems": [], "live": True, "last_segment_age_s": 3600.0}
    reply.body = json.dumps(health).encode()


EARLIER_STATION = (
    Case(
        "the page plays Owncast's own playlist",
        "manifest",
        "/hls/stream.m3u8",
        edit("front", "/config.json", swap("/live/playlist.m3u8", "/hls/stream.m3u8")),
    ),
    Case(
        "no route for /live",
        "route broadcaster",
        "X-Shoal: site: not the broadcaster",
        misroute("/live", "site"),
    ),
    Case(
        "the page loads no engine",
        "engine",
        "the page plays without sharing",
        fault_at(
            "front",
            lambda _faulty: Fault(
                edit=lambda request, reply: without_engine(reply) if request.path == "/" else None
            ),
        ),
    ),
    Case("the folder may not be read", "hls folder", "Permission denied", closed_folder),
    Case(
        "stands still, seen from outside",
        "playlist advancing",
        "no new segment within",
        fault_at("front", frozen()),
    ),
    Case(
        "stands still, and its health says ok",
        "publishing",
        "was published 3600 s ago",
        edit("broadcaster", "/health", report_ok),
    ),
)

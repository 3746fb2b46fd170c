"""Faults seen only on the host: services that hang, and an Owncast with unsafe settings."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from multidict import CIMultiDict

from tests.integration.doctor.cases import Case, InjectFault, edit, fault_at, swap
from tests.support.faults import Fault, Proxies, Proxy, Reply
from tests.support.faulty_station import FaultyStation
from tests.support.station import wait_for

PASSWORD = "abc123"
NOTICE_S = 3.0
"""time for a service that hung to catch up"""
DENIED = "permission denied: /run/hls/0 has mode 0700"


def hanging(service: str) -> InjectFault:
    """Return a fault: a service keeps its port open, but does nothing."""

    @contextmanager
    def inject(faulty: FaultyStation) -> Iterator[None]:
        faulty.station.refresh()
        pid = faulty.station.local["pids"][service]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
            time.sleep(NOTICE_S)
            health = faulty.station.health
            wait_for("the station is healthy again", lambda: health()["status"] == "ok", 90)

    return inject


def with_problem(reply: Reply) -> None:
    health = json.loads(reply.body)
    problem = {"code": "hls_folder", "message": DENIED, "since": "2026-01-01T00:00:00+00:00"}
    reply.status = 503
    reply.body = json.dumps({**health, "status": "failing", "problems": [problem]}).encode()


def admin_pages(*, password: str, s3: bool, stream_key: str = "a secret") -> InjectFault:
    """Return a fault: Owncast has admin pages, which the stand-in of `shoal up` lacks."""
    import aiohttp

    expected = aiohttp.encode_basic_auth("admin", password)

    def edited(request: web.Request, reply: Reply) -> None:
        if request.path == "/api/admin/serverconfig":
            authorized = request.headers.get("Authorization") == expected
            settings = {"s3": {"enabled": s3}, "streamKeys": [{"key": stream_key}]}
            reply.status = 200 if authorized else 401
            reply.headers = CIMultiDict({"Content-Type": "application/json"})
            reply.body = json.dumps(settings if authorized else {}).encode()

    return fault_at("owncast", lambda _faulty: Fault(edit=edited))


@contextmanager
def listening_everywhere(faulty: FaultyStation) -> Iterator[None]:
    """Let Owncast listen on every interface."""
    with Proxies(owncast=Proxy(faulty.owncast.upstream, host="0.0.0.0")) as proxies:
        faulty.describe(owncast=proxies["owncast"].url)
        try:
            yield
        finally:
            faulty.describe()


def with_viewers(reply: Reply) -> None:
    reply.body = json.dumps({**json.loads(reply.body), "viewerCount": 7}).encode()


def standby_failing(reply: Reply) -> None:
    reply.body = json.dumps({**json.loads(reply.body), "standby": "failing"}).encode()


def disconnected(reply: Reply) -> None:
    reply.body = json.dumps({**json.loads(reply.body), "signaling": "disconnected"}).encode()


def uploads_failing(reply: Reply) -> None:
    reply.body = json.dumps({**json.loads(reply.body), "store": "failing"}).encode()


HOST = (
    Case("the broadcaster hangs", "broadcaster", "does not answer", hanging("broadcaster")),
    Case("signaling hangs", "signaling", "does not answer", hanging("signaling")),
    Case("the site hangs", "site", "does not answer", hanging("site")),
    Case("the store hangs", "segment", "does not answer", hanging("store")),
    Case("a problem is raised", "problems", DENIED, edit("broadcaster", "/health", with_problem)),
    Case(
        "the seed fails",
        "standby",
        "fails its own test",
        edit("broadcaster", "/health", standby_failing),
    ),
    Case(
        "signaling knows no broadcaster",
        "announcing",
        "not connected",
        edit("broadcaster", "/health", disconnected),
    ),
    Case(
        "uploads fail", "uploads", "uploads fail", edit("broadcaster", "/health", uploads_failing)
    ),
    Case(
        "an old Owncast",
        "owncast version",
        "0.1.3",
        edit("owncast", "/api/status", swap("0.2.5", "0.1.3")),
    ),
    Case(
        "Owncast's default password",
        "owncast passwords",
        "a fresh install's",
        admin_pages(password=PASSWORD, s3=False),
    ),
    Case(
        "Owncast uploads to S3 itself",
        "owncast storage",
        "to S3",
        admin_pages(password=PASSWORD, s3=True),
    ),
    Case("Owncast is open to everyone", "owncast port", "0.0.0.0", listening_everywhere),
)
BYPASS = Case(
    "viewers of Owncast's own playlist",
    "bypass",
    "7 viewers",
    edit("owncast", "status", with_viewers),
)
"""this one is only a warning"""

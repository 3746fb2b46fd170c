"""Where URLs lead by the tunnel's ingress rules."""

import json
from typing import Any

import pytest

from shoal.cli import main
from tests.infra.cloudflared import service_for, validate
from tests.infra.harness import run

LIVE, WS, OWNCAST, SITE = (f"http://localhost:{port}" for port in (3000, 8081, 8080, 8000))
CLOSED, NOWHERE = "http_status:403", "http_status:404"
ACCESS = {"shoal:accessEmails": ["op@example.org"], "shoal:accessTeam": "team"}

PATHS = {
    "": SITE,
    "/": SITE,
    "/embed": SITE,
    "/dashboard": SITE,
    "/p2pml": SITE,
    "/replay": SITE,
    "/replay?id=abc-0": SITE,
    "/config.json": SITE,
    "/api/station": SITE,
    "/assets/watch-1a2b.js": SITE,
    "/?next=/live/": SITE,
    "/#/live": SITE,
    "/live": LIVE,
    "/live/": LIVE,
    "/live?x=1": LIVE,
    "/live#x": LIVE,
    "/live/playlist.m3u8": LIVE,
    "/live/0/playlist.m3u8": LIVE,
    "/live/segments.json": LIVE,
    "/live/replays.json": LIVE,
    "/live/0/segments.json?after=7": LIVE,
    "/live/0/stream-a-1.ts": LIVE,
    "/live/../admin": LIVE,
    "/live/../../etc/passwd": LIVE,
    "/live//playlist.m3u8": LIVE,
    "/%6cive/playlist.m3u8": LIVE,
    "/live%2Fplaylist.m3u8": LIVE,
    "/live/%2e%2e/admin": LIVE,
    "/live%3Fx": SITE,
    "/live%20": SITE,
    "/live%0A": SITE,
    "/live%00": SITE,
    "/lively": SITE,
    "/live.m3u8": SITE,
    "/live-old/x": SITE,
    "/alive": SITE,
    "/foo/live": SITE,
    "/foo/live/playlist.m3u8": SITE,
    "//live": SITE,
    "//live/playlist.m3u8": SITE,
    "/./live": SITE,
    "/%2Flive": SITE,
    "/LIVE": SITE,
    "/Live/playlist.m3u8": SITE,
    "/live\\playlist.m3u8": SITE,
    "/%25live": SITE,
    "/ws": WS,
    "/ws/": WS,
    "/ws/room": WS,
    "/ws/../admin": WS,
    "/%77s": WS,
    "/wss": SITE,
    "/WS": SITE,
    "/ws.html": SITE,
    "/a/ws/room": SITE,
    "/broadcaster": SITE,
    "/health": SITE,
    "/metrics": SITE,
    "/stats": SITE,
    "/history": SITE,
    "/viewers": SITE,
    "/hls": CLOSED,
    "/hls/stream.m3u8": CLOSED,
    "/hls/0/stream-a-1.ts": CLOSED,
    "/%68ls/stream.m3u8": CLOSED,
    "/hls.js": SITE,
    "/hlsx": SITE,
    "/HLS/stream.m3u8": SITE,
    "//hls/stream.m3u8": SITE,
    "/x/../hls/stream.m3u8": SITE,
    "/admin": CLOSED,
    "/admin/": CLOSED,
    "/admin/../live": CLOSED,
    "/%61dmin": CLOSED,
    "/administrator": SITE,
    "/ADMIN": SITE,
    "/api/admin/status": SITE,
    "/_next/static/x.js": SITE,
    "/%E2%80%A8/live": SITE,
}
URLS = {f"https://tv.example.org{path}": service for path, service in PATHS.items()} | {
    "http://tv.example.org/live/playlist.m3u8": LIVE,
    "https://tv.example.org:8443/live": LIVE,
    "https://user:pw@tv.example.org/live": LIVE,
    "https://TV.EXAMPLE.ORG/live": NOWHERE,  # browsers send it in lowercase
    "https://tv.example.org./live": NOWHERE,
    "https://example.org/live": NOWHERE,
    "https://other.example.org/ws": NOWHERE,
    "https://a.tv.example.org/live": NOWHERE,
    "https://tv-media.example.org/live/0/stream-a-1.ts": NOWHERE,
    "https://tv-admin.example.org/admin": NOWHERE,
    "https://tv.example.org.evil.example/live": NOWHERE,
    "https://203.0.113.7/live/playlist.m3u8": NOWHERE,
    "https://localhost/admin": NOWHERE,
}
WITH_ACCESS = {url: OWNCAST if service == CLOSED else service for url, service in URLS.items()} | {
    "https://tv-admin.example.org/": OWNCAST,
    "https://tv-admin.example.org/admin": OWNCAST,
    "https://tv-admin.example.org/api/admin/status": OWNCAST,
    "https://tv-admin.example.org/_next/static/x.js": OWNCAST,
    "https://tv-admin.example.org/live/playlist.m3u8": OWNCAST,
    "https://tv-admin.example.org//live": OWNCAST,
}


def ingress(changes: dict[str, object]) -> list[dict[str, Any]]:
    return run(changes).one("ZeroTrustTunnelCloudflaredConfig").inputs["config"]["ingresses"]


@pytest.fixture(scope="module")
def closed() -> list[dict[str, Any]]:
    return ingress({})


@pytest.fixture(scope="module")
def guarded() -> list[dict[str, Any]]:
    return ingress(ACCESS)


def test_cloudflared_would_take_the_rules(
    closed: list[dict[str, Any]], guarded: list[dict[str, Any]]
) -> None:
    validate(closed)
    validate(guarded)


@pytest.mark.parametrize("url", URLS)
def test_where_a_url_leads(closed: list[dict[str, Any]], url: str) -> None:
    assert service_for(closed, url) == URLS[url]


@pytest.mark.parametrize("url", WITH_ACCESS)
def test_where_a_url_leads_with_access(guarded: list[dict[str, Any]], url: str) -> None:
    assert service_for(guarded, url) == WITH_ACCESS[url]


@pytest.mark.parametrize("access", [False, True])
def test_shoal_routes_says_the_same(capsys: pytest.CaptureFixture[str], access: bool) -> None:
    for url, service in (WITH_ACCESS if access else URLS).items():
        asked = ["routes", "--hostname", "tv.example.org", "--check", url]
        assert main([*asked, "--access"] if access else asked) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["address"] or found["service"]) == service, url


def test_enough_urls() -> None:
    assert len(URLS) >= 60

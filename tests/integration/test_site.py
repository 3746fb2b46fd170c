"""The site's pages, assets and configuration, over real HTTP."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from shoal.auth import JOIN_TOKEN_LIFETIME_S, check_join_token
from shoal.config.settings import SiteSettings
from shoal.errors import OperatorError
from shoal.site.service import site
from tests.integration.signaling_station import JOIN_SECRET
from tests.integration.site_station import OPERATOR, P2PML, PAGE, SCRIPT, Site, running_site


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Site]:
    async with running_site(tmp_path) as started:
        yield started


async def raw_status(url: str, target: str) -> int:
    """Return the status for a request target that HTTP clients would normalize."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1])


async def test_pages_are_revalidated_and_assets_cached(running: Site) -> None:
    for path, text in (("/p2pml", P2PML), ("/", PAGE)):
        async with running.session.get(running.url + path) as page:
            assert await page.text() == text
            assert page.content_type == "text/html"
            assert page.headers["Cache-Control"] == "no-cache"
            assert page.headers["X-Shoal"] == "site"
            etag = page.headers["ETag"]
    async with running.session.get(running.url, headers={"If-None-Match": etag}) as again:
        assert again.status == 304
        assert again.headers["Cache-Control"] == "no-cache"
    async with running.session.get(f"{running.url}/assets/index-B2x_9.js") as asset:
        assert await asset.text() == SCRIPT
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "javascript" in asset.content_type
    async with running.session.head(f"{running.url}/assets/index-B2x_9.js") as head:
        assert (head.status, head.content_length) == (200, len(SCRIPT))
        assert await head.read() == b""


@pytest.mark.parametrize(
    "target",
    [
        "/assets/none.js",
        "/assets/",
        "/assets/../index.html",
        "/assets/../../secret",
        "/assets/..%2f..%2fsecret",
        "/assets/%2e%2e",
        "/assets/..",
        "/../secret",
        "//secret",
        "/assets/%00",
        "/index.html",
        "/p2pml.html",
        "/replay.html",
        "/replay/",
        "/p2pml/",
        "/live/playlist.m3u8",
        "/stats",
        "/history",
        "/viewers",
        "/metrics",
    ],
)
async def test_nothing_else_is_served(running: Site, target: str) -> None:
    assert await raw_status(running.url, target) == 404


async def test_errors_are_json(running: Site) -> None:
    async with running.session.get(f"{running.url}/nothing") as missing:
        assert missing.status == 404
        assert missing.headers["Cache-Control"] == "no-store"
        assert (await missing.json())["error"]["code"] == "not_found"
    async with running.session.post(running.url) as wrong:
        assert wrong.status == 405


async def test_assets_are_compressed_if_the_client_accepts_it(running: Site) -> None:
    url = f"{running.url}/assets/big-1.js"
    for accepted, encoding in (("br", "br"), ("identity", None)):
        async with running.session.get(url, headers={"Accept-Encoding": accepted}) as asset:
            assert asset.headers.get("Content-Encoding") == encoding
            assert asset.headers["Vary"] == "Accept-Encoding"
            assert "javascript" in asset.content_type
            assert await asset.text() == SCRIPT
    async with running.session.get(running.url, headers={"Accept-Encoding": "br"}) as page:
        assert page.headers["Content-Encoding"] == "br"
        assert await page.text() == PAGE
    for hidden in ("/assets/big-1.js.br", "/styles.json", "/embed.html"):
        assert await raw_status(running.url, hidden) == 404


async def test_other_sites_may_frame_the_embed_page_and_load_the_module(running: Site) -> None:
    ancestors = {
        **dict.fromkeys(("/", "/p2pml", "/replay"), "'none'"),
        "/embed": "'self' https://embed.example",
    }
    for path, sources in ancestors.items():
        async with running.session.get(running.url + path) as page:
            policy = page.headers["Content-Security-Policy"]
            assert policy.endswith(f"frame-ancestors {sources}")
            assert "https://media.example" in policy
            assert "'sha256-abc='" in policy
            assert "unsafe" not in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/shoal-player.js", "/assets/index-B2x_9.js"):
        async with running.session.get(running.url + path) as module:
            assert module.headers["Access-Control-Allow-Origin"] == "https://embed.example"
    async with running.session.get(f"{running.url}/shoal-player.js") as module:
        assert module.headers["Cache-Control"] == "no-cache"


async def test_title_and_poster_come_from_owncast(running: Site) -> None:
    await running.start_services()
    async with running.session.get(f"{running.url}/embed") as page:
        html = await page.text()
    assert "<title>News &lt;now&gt; · Shoal</title>" in html
    assert f'"og:image" content="{running.url}/poster"' in html
    async with running.session.get(f"{running.url}/poster") as poster:
        assert (await poster.read(), poster.content_type) == (b"jpeg", "image/jpeg")
    async with running.session.get(f"{running.url}/config.json") as config:
        assert (await config.json())["poster"] == "/poster"


async def test_pages_are_served_without_owncast(running: Site) -> None:
    async with running.session.get(f"{running.url}/embed") as page:
        assert "<title>Shoal</title>" in await page.text()
    async with running.session.get(f"{running.url}/poster") as poster:
        assert poster.status == 404


async def test_configuration_and_health(running: Site) -> None:
    async with running.session.get(f"{running.url}/config.json") as config:
        assert config.headers["Cache-Control"] == "no-store"
        body = await config.json()
        assert isinstance(body.pop("join_token"), str)
        assert body == {
            "title": "Shoal",
            "poster": None,
            "consent": "notice",
            "playlist": "/live/playlist.m3u8",
            "room": "/ws/room",
            "segments": "/live/segments.json",
            "replays": None,
            "tracker": "/ws",
            "swarm": "shoal",
            "ice_servers": [],
            "standby": "standby",
            "join_token_lifetime_s": JOIN_TOKEN_LIFETIME_S,
        }
    async with running.session.get(f"{running.url}/health") as health:
        assert await health.json() == {"status": "ok"}


async def test_join_tokens_are_for_the_requested_host_and_always_new(
    running: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time()

    async def token(later_s: float, host: str) -> str:
        monkeypatch.setattr(time, "time", lambda: now_s + later_s)
        url = f"{running.url}/config.json"
        async with running.session.get(url, headers={"Host": host}) as config:
            return (await config.json())["join_token"]

    first = await token(0, "TV.example:8888")
    later = await token(JOIN_TOKEN_LIFETIME_S + 60, "tv.example")
    for good_s, text in ((0, first), (JOIN_TOKEN_LIFETIME_S + 60, later)):
        assert check_join_token(JOIN_SECRET, text, "tv.example", now_s + good_s) == "ok"
        assert check_join_token(JOIN_SECRET, text, "127.0.0.1", now_s + good_s) == "invalid"
    assert (
        check_join_token(JOIN_SECRET, first, "tv.example", now_s + JOIN_TOKEN_LIFETIME_S + 60)
        == "expired"
    )


async def test_embedding_pages_may_read_configuration_and_statistics(
    running: Site,
) -> None:
    await running.start_services()
    embedding = {"Origin": "https://embed.example"}
    for path in ("/config.json", "/api/station"):
        async with running.session.get(running.url + path, headers=embedding) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == embedding["Origin"]
            assert answer.headers["Vary"] == "Origin"
        for headers in ({"Origin": "https://other.example"}, {}):
            async with running.session.get(running.url + path, headers=headers) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
    async with running.session.get(running.url, headers=embedding) as page:
        assert "Access-Control-Allow-Origin" not in page.headers


def test_without_a_build_the_site_does_not_start(tmp_path: Path) -> None:
    settings = SiteSettings(operator_token=SecretStr(OPERATOR), join_secret=SecretStr(JOIN_SECRET))
    with pytest.raises(OperatorError, match="make up"):
        site(settings, tmp_path)


async def test_a_port_in_use_is_reported(running: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OperatorError, match="is in use"):
            await running.start()

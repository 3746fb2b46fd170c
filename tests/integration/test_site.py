"""The site, and the report on it, with real servers."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import brotli
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from shoal.errors import OperatorError
from shoal.join_tokens import LIFETIME_S, check
from shoal.ops.asking import Target
from shoal.ops.report import ask
from shoal.settings import SignalingSettings, SiteSettings
from shoal.signaling.history import STEP_S
from shoal.signaling.service import Signaling
from shoal.site.ledger import FIRST_AFTER_S
from shoal.site.service import site
from shoal.web import application, metrics, start
from tests.integration.signaling_station import JOIN_SECRET, TOKEN, free_url

OPERATOR = "operator's token"
PAGE = "<!doctype html><title>player</title>"
EMBED = '<!doctype html><meta name="station" />'
P2PML = "<!doctype html><title>p2p-media-loader</title>"
SCRIPT = "console.log(1)"


class Site:
    """A site, a signaling service and a broadcaster's loopback side, each on its port."""

    def __init__(self, session: aiohttp.ClientSession, static: Path) -> None:
        self.session = session
        self.static = static
        self.url = free_url()
        self.broadcaster_url = free_url()
        self.signaling_url = free_url()
        self.runners: list[web.AppRunner] = []
        self.signaling: Signaling | None = None

    async def start_services(self) -> None:
        async def health(_request: web.Request) -> web.Response:
            return web.json_response({"status": "failing", "problems": []}, status=503)

        async def store(_request: web.Request) -> web.Response:
            sent = 'SeaweedFS_s3_bucket_traffic_sent_bytes_total{bucket="shoal"} 1234'
            return web.Response(text=f"{sent}\nprocess_start_time_seconds 1.9e+09\n")

        async def status(_request: web.Request) -> web.Response:
            return web.json_response({"online": True, "streamTitle": "News <now>", "other": 1})

        async def thumbnail(_request: web.Request) -> web.Response:
            return web.Response(body=b"jpeg", content_type="image/jpeg")

        broadcaster = application("broadcaster")
        broadcaster.router.add_get("/health", health)
        broadcaster.router.add_get("/metrics", metrics)
        broadcaster.router.add_get("/store", store)
        broadcaster.router.add_get("/owncast/api/status", status)
        broadcaster.router.add_get("/owncast/thumbnail.jpg", thumbnail)
        self.runners.append(await start(broadcaster, "broadcaster", self.broadcaster_url))
        settings = SignalingSettings(
            signaling_url=self.signaling_url,
            broadcaster_token=SecretStr(TOKEN),
            join_secret=SecretStr(JOIN_SECRET),
        )
        self.signaling = Signaling(settings)
        await self.signaling.start()

    async def start(self) -> None:
        settings = SiteSettings(
            site_url=self.url,
            broadcaster_url=self.broadcaster_url,
            signaling_url=self.signaling_url,
            owncast_url=f"{self.broadcaster_url}/owncast",
            media_url="https://media.example",
            gateway_metrics_url=f"{self.broadcaster_url}/metrics",
            store_metrics_url=f"{self.broadcaster_url}/store",
            ice_servers=[],
            embed_origins=["https://embed.example"],
            operator_token=SecretStr(OPERATOR),
            join_secret=SecretStr(JOIN_SECRET),
        )
        self.runners.append(await start(site(settings, self.static), "site", self.url))

    async def stop(self) -> None:
        for runner in self.runners:
            await runner.cleanup()
        if self.signaling is not None:
            await self.signaling.stop()


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncGenerator[Site]:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text(PAGE)
    (static / "p2pml.html").write_text(P2PML)
    (static / "embed.html").write_text(EMBED)
    (static / "shoal-player.js").write_text(SCRIPT)
    (static / "styles.json").write_text('["sha256-abc="]')
    (static / "assets" / "big-1.js").write_text(SCRIPT)
    (static / "assets" / "big-1.js.br").write_bytes(brotli.compress(SCRIPT.encode()))
    (static / "replay.html").write_text("<!doctype html><title>replay</title>")
    (static / "dashboard.html").write_text("<!doctype html><title>dashboard</title>")
    (static / "assets" / "index-B2x_9.js").write_text(SCRIPT)
    (tmp_path / "secret").write_text("secret")
    async with aiohttp.ClientSession() as session:
        service = Site(session, static)
        try:
            await service.start()
            yield service
        finally:
            await service.stop()


async def raw_status(url: str, target: str) -> int:
    """Return the status for a request line that no client would send as it is."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1])


async def test_pages_are_asked_for_again_and_assets_are_kept(running: Site) -> None:
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


async def test_assets_are_compressed_for_who_takes_it(running: Site) -> None:
    url = f"{running.url}/assets/big-1.js"
    for takes, encoding in (("br", "br"), ("identity", None)):
        async with running.session.get(url, headers={"Accept-Encoding": takes}) as asset:
            assert asset.headers.get("Content-Encoding") == encoding
            assert asset.headers["Vary"] == "Accept-Encoding"
            assert "javascript" in asset.content_type
            assert await asset.text() == SCRIPT
    async with running.session.get(running.url, headers={"Accept-Encoding": "br"}) as page:
        assert page.headers["Content-Encoding"] == "br"
        assert await page.text() == PAGE
    for hidden in ("/assets/big-1.js.br", "/styles.json", "/embed.html"):
        assert await raw_status(running.url, hidden) == 404


async def test_only_the_embed_may_be_framed_and_the_module_read_elsewhere(running: Site) -> None:
    ancestors = {
        **dict.fromkeys(("/", "/p2pml", "/replay"), "'none'"),
        "/embed": "'self' https://embed.example",
    }
    for path, who in ancestors.items():
        async with running.session.get(running.url + path) as page:
            policy = page.headers["Content-Security-Policy"]
            assert policy.endswith(f"frame-ancestors {who}")
            assert "https://media.example" in policy
            assert "'sha256-abc='" in policy
            assert "unsafe" not in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/shoal-player.js", "/assets/index-B2x_9.js"):
        async with running.session.get(running.url + path) as module:
            assert module.headers["Access-Control-Allow-Origin"] == "https://embed.example"
    async with running.session.get(f"{running.url}/shoal-player.js") as module:
        assert module.headers["Cache-Control"] == "no-cache"


async def test_title_and_picture_come_from_owncast(running: Site) -> None:
    await running.start_services()
    async with running.session.get(f"{running.url}/embed") as page:
        html = await page.text()
    assert "<title>News &lt;now&gt; · Shoal</title>" in html
    assert f'"og:image" content="{running.url}/poster"' in html
    async with running.session.get(f"{running.url}/poster") as poster:
        assert (await poster.read(), poster.content_type) == (b"jpeg", "image/jpeg")
    async with running.session.get(f"{running.url}/config.json") as config:
        assert (await config.json())["poster"] == "/poster"


async def test_without_owncast_the_pages_are_there(running: Site) -> None:
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
            "join_token_lifetime_s": LIFETIME_S,
        }
    async with running.session.get(f"{running.url}/health") as health:
        assert await health.json() == {"status": "ok"}


async def test_a_join_token_is_for_the_host_that_was_asked_and_new_each_time(
    running: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time()

    async def token(later_s: float, host: str) -> str:
        monkeypatch.setattr(time, "time", lambda: now_s + later_s)
        url = f"{running.url}/config.json"
        async with running.session.get(url, headers={"Host": host}) as config:
            return (await config.json())["join_token"]

    first = await token(0, "TV.example:8888")
    later = await token(LIFETIME_S + 60, "tv.example")
    for good_s, text in ((0, first), (LIFETIME_S + 60, later)):
        assert check(JOIN_SECRET, text, "tv.example", now_s + good_s) == "ok"
        assert check(JOIN_SECRET, text, "127.0.0.1", now_s + good_s) == "invalid"
    assert check(JOIN_SECRET, first, "tv.example", now_s + LIFETIME_S + 60) == "expired"


async def test_pages_that_embed_the_player_may_read_configuration_and_figures(
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


async def test_the_station_s_figures_need_the_operator_s_token(running: Site) -> None:
    await running.start_services()
    url = f"{running.url}/api/station"
    async with running.session.get(url) as public:
        assert public.headers["Cache-Control"] == "no-store"
        assert await public.json() == {"live": False, "viewers": 0, "share": None}
    async with running.session.get(url, headers={"Authorization": "Bearer wrong"}) as wrong:
        assert wrong.status == 401
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(url, headers=headers) as operator:
        station = await operator.json()
    assert station["services"] == {
        "broadcaster": {"status": "failing", "problems": []},
        "signaling": {
            "status": "ok",
            "viewers": 0,
            "broadcasters": 0,
            "chunks": 0,
            "problems": [],
        },
        "gateway": {"status": "ok"},
    }
    assert station["ec2_video"] == {"services": 0, "gateway": 0}
    assert station["bytes"] == {"p2p": 0, "store": 0, "seed": 0}
    assert (station["peers"], station["not_sharing"], station["store_sent"]) == (0, 0, 1234)
    assert station["since"]["store"] == "2030-03-17T17:46:40+00:00"
    assert station["since"]["viewers"] == station["since"]["gateway"]  # one process here


@pytest.mark.parametrize("path", ["/api/history", "/api/viewers"])
async def test_what_signaling_keeps_of_viewers_is_the_operator_s_only(
    running: Site, path: str
) -> None:
    url = running.url + path
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with running.session.get(url, headers=headers) as refused:
            assert refused.status == 401
            assert (await refused.json())["error"]["code"] == "unauthorized"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(url, headers=headers) as down:
        assert down.status == 503
        assert down.headers["Cache-Control"] == "no-store"
        assert (await down.json())["error"]["code"] == "signaling_unreachable"
    await running.start_services()
    async with running.session.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert (answer.headers["Cache-Control"], answer.headers["X-Shoal"]) == ("no-store", "site")
        body = await answer.json()
    assert body["viewers"] == []
    async with running.session.get(url, headers=headers, params={"after": "soon"}) as wrong:
        assert wrong.status == (400 if path == "/api/history" else 200)


class Stream:
    """The events of one `/api/events`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, wanted: str) -> Any:
        """Return the data of the next event of this name."""
        async with asyncio.timeout(2 * STEP_S):
            while True:
                name = (await self.response.content.readuntil(b"\n")).decode()
                data = (await self.response.content.readuntil(b"\n\n")).decode()
                if name == f"event: {wanted}\n":
                    return json.loads(data.removeprefix("data: "))


async def test_the_operator_s_figures_come_as_events(running: Site) -> None:
    url, bearer = f"{running.url}/api/events", {"Authorization": f"Bearer {OPERATOR}"}
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with running.session.get(url, headers=headers) as refused:
            assert refused.status == 401
    for after in ("soon", "nan", "1e999"):
        async with running.session.get(url, headers=bearer, params={"after": after}) as refused:
            assert (refused.status, refused.headers["Cache-Control"]) == (400, "no-store")
    begun = time.time()
    params = {"after": f"{begun}", "room": "none"}
    async with running.session.get(url, headers=bearer, params=params) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        events = Stream(response)
        down = await events.next("station")
        assert (down["viewers"], down["services"]["signaling"]["status"]) == (None, "unreachable")
        assert await events.next("rooms") is None
        await running.start_services()
        assert await events.next("rooms") == {"rooms": [], "apart": 0, "picture": None}
        assert (await events.next("station"))["viewers"] == 0
        rows = await events.next("history")
        assert rows["viewers"] == [0]
        assert rows["at"][0] > begun
        # it ends with the site, and does not hold it up
        stopping = time.monotonic()
        await running.runners.pop(0).cleanup()
        assert time.monotonic() - stopping < 3
        await response.content.read()  # raises where the stream was broken off


async def test_counters_are_written_down_for_the_operator_only(running: Site) -> None:
    url = f"{running.url}/api/counters"
    async with running.session.get(url) as refused:
        assert refused.status == 401
    await running.start_services()
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    rows: list[dict[str, Any]] = []
    async with asyncio.timeout(FIRST_AFTER_S + 5):
        while len(rows) < 2:  # one that was written down, and that of now
            await asyncio.sleep(0.2)
            async with running.session.get(url, headers=headers) as answer:
                said = await answer.json()
            rows = said["rows"]
    assert rows[0]["at"] <= rows[1]["at"]
    assert rows[1]["requests"]["site"] > 1
    assert rows[1]["store_sent"] == 1234
    assert datetime.fromisoformat(said["started"]["site"]) < datetime.now(UTC)


async def test_what_somebody_else_says_is_not_passed_on(running: Site) -> None:
    stranger = application("stranger")
    stranger.router.add_get("/viewers", metrics)
    running.runners.append(await start(stranger, "stranger", running.signaling_url))
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with running.session.get(f"{running.url}/api/viewers", headers=headers) as answer:
        assert answer.status == 503


async def test_the_report_tells_of_the_last_day(running: Site) -> None:
    await running.start_services()
    windows = None
    async with asyncio.timeout(2 * STEP_S):
        while windows is None:
            await asyncio.sleep(0.2)
            windows = (await ask(Target(running.url, OPERATOR))).windows
    assert set(windows) == {"now", "hour", "day"}
    day = windows["day"]
    assert (day.peak_viewers, day.share, day.seconds) == (0, None, STEP_S)
    assert day.bytes.ec2_video == 0


async def test_the_report_asks_a_running_station(running: Site) -> None:
    await running.start_services()
    report = await ask(Target(running.url, OPERATOR))
    assert (report.live, report.viewers) == (False, 0)
    assert report.ec2_video is not None
    assert report.ec2_video.agree is True
    public = await ask(Target(running.url, None))
    assert (public.viewers, public.bytes) == (0, None)


async def test_the_report_says_which_services_do_not_answer(running: Site) -> None:
    report = await ask(Target(running.url, OPERATOR))
    assert report.viewers is None
    assert report.ec2_video is not None
    assert report.ec2_video.services is None
    assert report.services is not None
    states = {name: service.status for name, service in report.services.items()}
    assert states.pop("site") == "ok"
    assert set(states.values()) == {"unreachable"}


async def test_the_report_of_no_station_is_one_line(running: Site) -> None:
    await running.start_services()
    for target, said in (
        (Target(running.url, "wrong"), "refuses the operator's token"),
        (Target(running.signaling_url, OPERATOR), "is not a Shoal station"),
        (Target(free_url(), OPERATOR), "does not answer"),
        (Target("no url", OPERATOR), "does not answer"),
    ):
        with pytest.raises(OperatorError, match=said) as error:
            await ask(target)
        assert "\n" not in str(error.value)


async def test_the_command_prints_json_and_fails_with_status_1(
    running: Site, tmp_path: Path
) -> None:
    await running.start_services()
    token_file = tmp_path / "operator_token"
    token_file.write_text(OPERATOR)

    async def shoal_report(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from shoal.cli import main; raise SystemExit(main())"),
            *("report", "--data", str(tmp_path), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    good, bad = await asyncio.gather(
        shoal_report(running.url, "--token-file", str(token_file), "--json"),
        shoal_report(),
    )
    assert good[0] == 0, good[2]
    report = json.loads(good[1])
    assert report["url"] == running.url
    assert report["bytes"] == {"ec2_video": 0, "store": 0, "p2p": 0, "seed": 0}
    assert report["ec2_video"] == {"services": 0, "gateway": 0, "agree": True}
    assert report["store_counter"] == {"bytes": 1234, "agree": None}
    assert (report["viewers"], report["peers"], report["not_sharing"]) == (0, 0, 0)
    assert bad[:2] == (1, "")
    assert len(bad[2].splitlines()) == 1
    assert "make up" in bad[2]


async def test_a_taken_port_is_the_operator_s_to_mend(running: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OperatorError, match="is taken"):
            await running.start()

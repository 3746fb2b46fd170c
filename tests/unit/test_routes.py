import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from shoal.routes import match, routes


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "site"),
        ("/live", "broadcaster"),
        ("/live/playlist.m3u8", "broadcaster"),
        ("/live/0/stream-a-1.ts", "broadcaster"),
        ("/lively", "site"),
        ("/foo/live", "site"),
        ("//live", "site"),
        ("/LIVE/playlist.m3u8", "site"),
        ("/ws", "signaling"),
        ("/ws/room", "signaling"),
        ("/wss", "site"),
        ("/hls/stream.m3u8", "http_status:403"),
        ("/admin", "http_status:403"),
        ("/administrator", "site"),
        ("/live/../admin", "broadcaster"),
        ("/broadcaster", "site"),
        ("/stats", "site"),
        ("/history", "site"),
        ("/viewers", "site"),
    ],
)
def test_each_path_leads_to_its_service(path: str, service: str) -> None:
    assert match(routes(access=False), "station", path).service == service


def test_access_opens_owncast_and_an_admin_hostname() -> None:
    table = routes(access=True)
    assert match(table, "station", "/hls/stream.m3u8").service == "owncast"
    assert match(table, "admin", "/api/admin/status").service == "owncast"
    assert match(routes(access=False), "admin", "/").service == "http_status:404"


def test_unknown_hostnames_get_nothing() -> None:
    assert match(routes(access=True), "other", "/live/playlist.m3u8").service == "http_status:404"


@given(st.text(max_size=30).map(lambda text: "/" + text))
def test_pythons_own_regular_expressions_match_the_same(path: str) -> None:
    for route in routes(access=True):
        if route.path is not None:
            pythons = re.search(route.path.replace("$", r"\Z"), path) is not None
            assert (re2.search(route.path, path) is not None) == pythons

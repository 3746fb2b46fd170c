import pytest

from shoal.config.settings import StationSettings
from shoal.ingress import addresses_of, find_rule, ingress_rules, parse_request
from shoal.routes import HostRole, routes

HOSTNAMES: dict[HostRole, str] = {"station": "tv.example.org", "admin": "tv-admin.example.org"}
ADDRESSES = addresses_of(StationSettings.model_construct())


def test_rules_are_the_routes_with_hostnames_and_addresses() -> None:
    rules = ingress_rules(routes(access=True), HOSTNAMES, ADDRESSES)
    assert [(rule.hostname, rule.path, rule.target) for rule in rules] == [
        ("tv.example.org", "^/ws(/|$)", "http://localhost:8081"),
        ("tv.example.org", "^/live(/|$)", "http://localhost:3000"),
        ("tv.example.org", "^/(hls|admin)(/|$)", "http://localhost:8080"),
        ("tv.example.org", None, "http://localhost:8000"),
        ("tv-admin.example.org", None, "http://localhost:8080"),
        (None, None, "http_status:404"),
    ]


@pytest.mark.parametrize("address", ["http://localhost:1/live", "http://localhost:1/?a", "htp://a"])
def test_addresses_that_cloudflared_would_refuse_or_misread(address: str) -> None:
    with pytest.raises(ValueError, match="address of site"):
        ingress_rules(routes(access=False), HOSTNAMES, {**ADDRESSES, "site": address})


@pytest.mark.parametrize(
    ("url", "request_seen"),
    [
        ("https://tv.example.org", ("tv.example.org", "/")),
        ("https://tv.example.org/live?a=/ws#/b", ("tv.example.org", "/live")),
        ("HTTP://user:pw@tv.example.org:8443//live", ("tv.example.org", "//live")),
        ("https://tv.example.org/live/../admin", ("tv.example.org", "/live/../admin")),
        ("https://tv.example.org/%6cive%2fx", ("tv.example.org", "/live/x")),
        ("https://tv.example.org/a%20b%C3%BC", ("tv.example.org", "/a bü")),
        ("https://TV.example.org/", ("TV.example.org", "/")),
        ("http://[::1]:8888/ws", ("::1", "/ws")),
        ("http://127.0.0.1?x", ("127.0.0.1", "/")),
    ],
)
def test_a_request_as_cloudflared_sees_it(url: str, request_seen: tuple[str, str]) -> None:
    assert parse_request(url) == request_seen


@pytest.mark.parametrize(
    "url", ["tv.example.org/live", "ftp://tv.example.org/", "https:///live", ""]
)
def test_urls_that_are_not_web_urls(url: str) -> None:
    with pytest.raises(ValueError, match="not a web URL"):
        parse_request(url)


@pytest.mark.parametrize("path", ["/%", "/%zz", "/a%2"])
def test_broken_escapes_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="hex digits"):
        parse_request("https://tv.example.org" + path)


def test_rules_must_end_with_one_for_everything() -> None:
    with pytest.raises(ValueError, match="match everything"):
        find_rule(
            ingress_rules(routes(access=False), HOSTNAMES, ADDRESSES)[:-1], "other.example.org", "/"
        )

import pytest
from multidict import CIMultiDict

from shoal.local.gateway import decoded_path, end_to_end_headers, upstream_headers


def test_hop_by_hop_headers_are_not_forwarded() -> None:
    headers = CIMultiDict[str](
        [
            ("Connection", "keep-alive, X-Secret"),
            ("X-Secret", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Transfer-Encoding", "chunked"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Proxy-Authorization", "x"),
            ("Range", "bytes=0-1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ]
    )
    assert list(end_to_end_headers(headers).items()) == [
        ("Range", "bytes=0-1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]


def test_the_client_address_is_set_by_the_edge_not_the_client() -> None:
    headers = CIMultiDict[str](
        [
            ("Host", "tv.example"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("CF-Connecting-IP", "6.6.6.6"),
            ("CF-Connecting-IP", "7.7.7.7"),
            ("CF-IPCountry", "XX"),
            ("Origin", "https://embed.example"),
        ]
    )
    forwarded = upstream_headers(headers, "127.0.0.1")
    assert forwarded["Host"] == "tv.example"
    assert forwarded["Origin"] == "https://embed.example"
    assert "CF-IPCountry" not in forwarded
    assert forwarded.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert forwarded.getall("X-Forwarded-Proto") == ["http"]
    assert forwarded.getall("CF-Connecting-IP") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/live/x.ts?a=/ws", "/live/x.ts"),
        ("/%6Cive/x", "/live/x"),
        ("//live", "//live"),
        ("/a/../live", "/a/../live"),
        ("/live%2Fx", "/live/x"),
        ("/%ff", "/�"),
        ("http://tv.example/live?x", "/live"),
        ("/", "/"),
    ],
)
def test_routes_match_the_decoded_path(target: str, path: str) -> None:
    assert decoded_path(target) == path

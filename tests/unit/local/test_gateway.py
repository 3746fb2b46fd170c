import pytest
from multidict import CIMultiDict

from shoal.local.gateway import decoded_path, end_to_end, upstream_headers


def test_headers_of_this_hop_stay_behind() -> None:
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
    assert list(end_to_end(headers).items()) == [
        ("Range", "bytes=0-1"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]


def test_the_edge_says_who_the_client_is_whatever_the_client_says() -> None:
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
    passed = upstream_headers(headers, "127.0.0.1")
    assert passed["Host"] == "tv.example"
    assert passed["Origin"] == "https://embed.example"
    assert "CF-IPCountry" not in passed
    assert passed.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert passed.getall("X-Forwarded-Proto") == ["http"]
    assert passed.getall("CF-Connecting-IP") == ["127.0.0.1"]


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
def test_a_route_sees_the_decoded_path(target: str, path: str) -> None:
    assert decoded_path(target) == path

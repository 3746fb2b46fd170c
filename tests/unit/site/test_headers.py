import pytest

from shoal.site.headers import page_headers

HASH = "sha256-abc="


def policy(**changes: object) -> dict[str, str]:
    arguments = {
        "host": "tv.example",
        "media_url": "https://media.example/shoal",
        "styles": [HASH],
        "framing": "nobody",
        "embed_origins": [],
        **changes,
    }
    text = page_headers(**arguments)["Content-Security-Policy"]  # pyright: ignore[reportArgumentType]
    return dict(part.split(" ", 1) for part in text.split("; "))


def test_only_the_station_and_the_store_are_allowed() -> None:
    found = policy()
    assert "unsafe" not in str(found)
    assert found["default-src"] == "'none'"
    assert found["script-src"] == "'self'"
    assert found["style-src"] == f"'self' '{HASH}'"
    own = "'self' ws://tv.example wss://tv.example"
    assert found["connect-src"] == f"{own} https://media.example"
    assert found["media-src"] == "'self' blob: https://media.example"


def test_an_unknown_store_may_be_any_https_host() -> None:
    assert policy(media_url=None)["connect-src"].endswith(" https:")


@pytest.mark.parametrize(
    ("framing", "origins", "ancestors"),
    [
        ("nobody", ["https://a.example"], "'none'"),
        ("embedders", [], "'self'"),
        ("embedders", ["https://a.example", "https://b.example"], None),
        ("embedders", ["*"], "*"),
    ],
)
def test_frame_ancestors(framing: str, origins: list[str], ancestors: str | None) -> None:
    expected = ancestors or "'self' https://a.example https://b.example"
    assert policy(framing=framing, embed_origins=origins)["frame-ancestors"] == expected


@pytest.mark.parametrize("host", ["tv.example; script-src *", "a b", "", "tv,example"])
def test_a_malformed_host_does_not_alter_the_policy(host: str) -> None:
    assert policy(host=host)["connect-src"] == "'self' https://media.example"


def test_unframed_pages_have_the_header_for_old_browsers() -> None:
    headers = page_headers("tv.example", None, [], "nobody", [])
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Frame-Options" not in page_headers("tv.example", None, [], "embedders", [])

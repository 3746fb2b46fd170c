import pytest

from shoal.hostnames import in_zone, parse_hostname, sibling_hostname


@pytest.mark.parametrize(
    "name", ["tv.example.org", "a-b.c1.io", "xn--bcher-kva.example", "1tv.org"]
)
def test_valid_hostnames(name: str) -> None:
    assert parse_hostname(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "localhost", "TV.example.org", "tv.example.org.", ".example.org", "tv..org"),
        *("https://tv.example.org", "tv.example.org/", "tv.example.org:443", "*.example.org"),
        *("-tv.example.org", "tv-.example.org", "bücher.example", "192.0.2.1", "tv.example.org\n"),
        *("a" * 64 + ".example.org", "a." * 130 + "org", "tv example.org", "tv_1.example.org"),
    ],
)
def test_invalid_hostnames(name: str) -> None:
    with pytest.raises(ValueError, match="is not a hostname"):
        parse_hostname(name)


def test_a_zone_contains_its_apex_and_everything_below() -> None:
    assert in_zone("tv.example.org", "example.org")
    assert in_zone("example.org", "example.org")
    assert not in_zone("tv.myexample.org", "example.org")
    assert not in_zone("org", "example.org")


def test_other_hostnames_are_derived_from_the_stations() -> None:
    assert sibling_hostname("tv.example.org", "media", apex=False) == "tv-media.example.org"
    assert sibling_hostname("example.org", "media", apex=True) == "media.example.org"

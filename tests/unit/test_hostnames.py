import pytest

from shoal.hostnames import beside, hostname, in_zone


@pytest.mark.parametrize(
    "name", ["tv.example.org", "a-b.c1.io", "xn--bcher-kva.example", "1tv.org"]
)
def test_hostnames(name: str) -> None:
    assert hostname(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "localhost", "TV.example.org", "tv.example.org.", ".example.org", "tv..org"),
        *("https://tv.example.org", "tv.example.org/", "tv.example.org:443", "*.example.org"),
        *("-tv.example.org", "tv-.example.org", "bücher.example", "192.0.2.1", "tv.example.org\n"),
        *("a" * 64 + ".example.org", "a." * 130 + "org", "tv example.org", "tv_1.example.org"),
    ],
)
def test_no_hostnames(name: str) -> None:
    with pytest.raises(ValueError, match="is no hostname"):
        hostname(name)


def test_a_zone_holds_its_apex_and_what_is_below() -> None:
    assert in_zone("tv.example.org", "example.org")
    assert in_zone("example.org", "example.org")
    assert not in_zone("tv.myexample.org", "example.org")
    assert not in_zone("org", "example.org")


def test_other_names_lie_beside_the_station() -> None:
    assert beside("tv.example.org", "media", apex=False) == "tv-media.example.org"
    assert beside("example.org", "media", apex=True) == "media.example.org"

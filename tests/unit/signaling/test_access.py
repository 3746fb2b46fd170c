"""Access checks, without sockets."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from shoal.auth import issue_join_token
from shoal.signaling.access import TrustedProxies, origin_refusal, token_verdict

LOOPBACK = TrustedProxies(["127.0.0.0/8", "::1/128"])
HOST = "tv.example"


def headers(**fields: str) -> CIMultiDict[str]:
    """Return headers as picows passes them; `_` stands for `-`."""
    return CIMultiDict((name.replace("_", "-"), text) for name, text in fields.items())


def test_a_trusted_proxy_says_whose_request_it_passes_on() -> None:
    said = headers(
        Host="TV.example:8443", CF_Connecting_IP=" 203.0.113.7 ", CF_IPCountry="de", Origin="x"
    )
    client = LOOPBACK.client("127.0.0.1", said)
    assert (client.address, client.network) == ("203.0.113.7/32", "203.0.113.0/24")
    assert (client.country, client.host, client.through_edge) == ("DE", HOST, True)


def test_an_untrusted_peer_cannot_forge_an_address_and_counts_as_the_internet() -> None:
    said = headers(Host=HOST, CF_Connecting_IP="203.0.113.7", CF_IPCountry="DE")
    client = LOOPBACK.client("198.51.100.1", said)
    assert (client.address, client.country) == ("198.51.100.1/32", "")
    assert client.through_edge


def test_without_a_proxy_the_socket_s_address_counts() -> None:
    client = LOOPBACK.client("127.0.0.1", headers(Host=HOST))
    assert (client.address, client.country, client.through_edge) == ("127.0.0.1/32", "", False)


@pytest.mark.parametrize(
    ("peer", "said", "address", "network"),
    [
        ("::1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::1", "2001:db8:1:2:ffff::", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("127.0.0.1", "fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("127.0.0.1", "rubbish", "rubbish", ""),
        ("127.0.0.1", "203.0.113.7, 10.0.0.1", "203.0.113.7, 10.0.0.1", ""),
        ("127.0.0.1", "", "", ""),
        ("", "203.0.113.7", "", ""),
    ],
)
def test_addresses_in_every_shape(peer: str, said: str, address: str, network: str) -> None:
    client = LOOPBACK.client(peer, headers(CF_Connecting_IP=said))
    assert (client.address, client.network) == (address, network)
    assert client.through_edge


@pytest.mark.parametrize("said", ["", "D", "DEU", "D-", "\udcff\udcfe"])
def test_an_invalid_country_is_ignored(said: str) -> None:
    assert LOOPBACK.client("::1", headers(CF_Connecting_IP="::2", CF_IPCountry=said)).country == ""


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_no_header_does_harm(peer: str, address: str, country: str, host: str) -> None:
    said = headers(CF_Connecting_IP=address, CF_IPCountry=country, Host=host, Origin=country)
    client = TrustedProxies(["0.0.0.0/0", "::/0"]).client(peer, said)
    assert client.through_edge
    assert len(client.country) in (0, 2)
    refusal = origin_refusal(said, [])
    assert refusal is None or refusal.message.encode()


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_one_subscriber_is_one_address(
    one: ipaddress.IPv6Address, two: ipaddress.IPv6Address
) -> None:
    first, second = (
        LOOPBACK.client("::1", headers(CF_Connecting_IP=str(ip))).address for ip in (one, two)
    )
    if one.ipv4_mapped is None and two.ipv4_mapped is None:
        assert (first == second) == (int(one) >> 64 == int(two) >> 64)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://tv.example", True),
        ("http://TV.example", True),
        ("https://blog.example", True),
        ("https://evil.example", False),
        ("https://tv.example.evil.example", False),
        ("https://eviltv.example", False),
        ("https://tv.example:444", False),
        ("https://blog.example/", False),
        ("ftp://tv.example", False),
        ("tv.example", False),
        ("https://", False),
        ("null", False),
        ("", False),
        ("\udcff", False),
    ],
)
def test_pages_of_the_station_and_its_embedders_may_connect(
    origin: str | None, allowed: bool
) -> None:
    said = headers(Host=HOST) if origin is None else headers(Host=HOST, Origin=origin)
    refusal = origin_refusal(said, ["https://blog.example"])
    assert (refusal is None) == allowed
    if refusal is not None:
        assert (refusal.status, refusal.code) == (403, "origin")
    assert origin_refusal(said, ["*"]) is None


def test_without_a_host_no_origin_is_the_stations_own() -> None:
    assert origin_refusal(headers(Origin="https://"), []) is not None


def test_token_verdicts() -> None:
    token = issue_join_token("secret", HOST, 1_000, lifetime_s=600)
    assert token_verdict("secret", token, HOST, 1_500) == "ok"
    assert token_verdict("secret", token, HOST, 1_700) == "expired"
    assert token_verdict("secret", token, "other.example", 1_500) == "invalid"
    assert token_verdict("other", token, HOST, 1_500) == "invalid"
    assert token_verdict("secret", "", HOST, 1_500) == "missing"
    assert token_verdict("secret", None, HOST, 1_500) == "missing"

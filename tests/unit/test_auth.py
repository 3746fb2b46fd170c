import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shoal.auth import (
    CLOCK_SKEW_S,
    JOIN_TOKEN_LIFETIME_S,
    check_join_token,
    host_name,
    issue_join_token,
    seed_token,
)

HOST = "tv.example.org"
hosts = st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True)
times = st.floats(0, 4e9)
secrets = st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable())


@given(secrets, hosts, times, st.floats(0, JOIN_TOKEN_LIFETIME_S))
def test_a_token_is_valid_for_its_lifetime(
    secret: str, host: str, now_s: float, later_s: float
) -> None:
    token = issue_join_token(secret, host, now_s)
    assert set(token) <= {*string.ascii_letters, *string.digits, *"._-"}  # safe in a URL
    assert check_join_token(secret, token, host, now_s + later_s) == "ok"
    assert (
        check_join_token(secret, token, host, now_s - later_s) == "ok"
    )  # the issuer's clock is ahead


@given(times, st.floats(1, 1e5), st.floats(2, 1e6))
def test_an_old_token_is_expired_not_invalid(
    now_s: float, lifetime_s: float, later_s: float
) -> None:
    token = issue_join_token("secret", HOST, now_s, lifetime_s)
    assert check_join_token("secret", token, HOST, now_s + lifetime_s + CLOCK_SKEW_S) == "ok"
    late_s = now_s + lifetime_s + CLOCK_SKEW_S + later_s
    assert check_join_token("secret", token, HOST, late_s) == "expired"
    assert check_join_token("other", token, HOST, late_s) == "invalid"


@given(st.data(), times)
def test_a_token_with_a_changed_character_is_invalid(data: st.DataObject, now_s: float) -> None:
    token = issue_join_token("secret", HOST, now_s)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters())
    assume(other != token[at])
    assert (
        check_join_token("secret", token[:at] + other + token[at + 1 :], HOST, now_s) == "invalid"
    )
    assert check_join_token("secret", token[:at] + token[at + 1 :], HOST, now_s) == "invalid"
    assert check_join_token("secret", token[:at] + other + token[at:], HOST, now_s) == "invalid"


def test_other_base64_of_the_same_bytes_is_invalid() -> None:
    token = issue_join_token("secret", HOST, 0)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    good = [
        char for char in alphabet if check_join_token("secret", token[:-1] + char, HOST, 0) == "ok"
    ]
    assert good == [token[-1]]


@given(hosts, hosts, secrets, secrets)
def test_a_token_of_another_station_is_invalid(
    host: str, other: str, secret: str, another: str
) -> None:
    token = issue_join_token(secret, host, 0)
    assert (check_join_token(secret, token, other, 0) == "ok") == (other == host)
    assert (check_join_token(another, token, host, 0) == "ok") == (another == secret)


arbitrary = st.text(st.characters())


@given(st.one_of(arbitrary, st.from_regex(r"[12]\.\d{1,20}\.[\w-]{43}", fullmatch=True)), arbitrary)
def test_arbitrary_text_is_invalid_and_never_raises(token: str, host: str) -> None:
    assert check_join_token("secret", token, host, 0) == "invalid"


def test_a_host_name_with_surrogates_works() -> None:
    assert check_join_token("secret", issue_join_token("secret", "\udcff", 0), "\udcff", 0) == "ok"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("TV.example.org", HOST),
        ("tv.example.org:8888", HOST),
        ("[::1]:8888", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
    ],
)
def test_host_name_is_lower_case_without_port(header: str, name: str) -> None:
    assert host_name(header) == name


def test_the_seed_token_is_stable_and_specific_to_its_secret() -> None:
    assert seed_token("a") == seed_token("a") != seed_token("b")
    assert "broadcaster" not in seed_token("broadcaster")
    assert seed_token("a").isascii()
    assert "=" not in seed_token("a")

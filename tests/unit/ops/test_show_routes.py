import json
from typing import Any

import pytest

from shoal.cli import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["routes", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["routes", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def yaml_of(text: str) -> list[dict[str, Any]]:
    """Parse the simple YAML that `--format cloudflared` writes."""
    rules: list[dict[str, Any]] = []
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    assert lines[0] == "ingress:"
    for line in lines[1:]:
        if line.startswith("  - "):
            rules.append({})
        key, _, value = line[4:].partition(": ")
        rules[-1][key] = json.loads(value)
    return rules


def test_a_check_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://tv.example.org/live/playlist.m3u8"
    assert json.loads(printed(capsys, "--check", url)) == {
        "url": url,
        "rule": 1,
        "service": "broadcaster",
        "address": "http://localhost:3000",
    }


def test_a_check_of_another_hostname_finds_no_route(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://other.example.org/live"
    found = json.loads(printed(capsys, "--hostname", "tv.example.org", "--check", url))
    assert (found["rule"], found["service"], found["address"]) == (4, "http_status:404", None)


def test_access_opens_the_admin_hostname(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://tv-admin.example.org/api/admin/status"
    asked = ("--hostname", "tv.example.org", "--check", url)
    assert json.loads(printed(capsys, *asked))["service"] == "http_status:404"
    assert json.loads(printed(capsys, *asked, "--access"))["service"] == "owncast"
    named = ("--access", "--admin-hostname", "secret.example.org")
    assert json.loads(printed(capsys, *asked, *named))["service"] == "http_status:404"


def test_addresses_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_SIGNALING_URL", "http://127.0.0.1:40001")
    found = json.loads(printed(capsys, "--check", "http://localhost:8888/ws/room"))
    assert found["address"] == "http://127.0.0.1:40001"


def test_cloudflareds_configuration_equals_the_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("--hostname", "tv.example.org", "--access")
    rules = json.loads(printed(capsys, *asked, "--format", "json"))
    assert [rule["rule"] for rule in rules] == [0, 1, 2, 3, 4, 5]
    assert yaml_of(printed(capsys, *asked, "--format", "cloudflared")) == [
        {
            key: value
            for key, value in (
                ("hostname", rule["hostname"]),
                ("path", rule["path"]),
                ("service", rule["address"] or rule["service"]),
            )
            if value is not None
        }
        for rule in rules
    ]


def test_the_table_shows_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys)
    for text in ("the station", "^/(hls|admin)(/|$)", "http_status:403", "http://localhost:3000"):
        assert text in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hostname", "https://tv.example.org"), "is not a hostname"),
        (("--check", "tv.example.org/live"), "is not a web URL"),
        (("--format", "cloudflared"), "needs --hostname"),
        (("--admin-hostname", "admin.example.org"), "needs --access"),
    ],
)
def test_mistakes_are_reported_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    error = refused(capsys, *arguments)
    assert message in error
    assert error.count("\n") == 1


def test_an_address_that_cloudflared_would_refuse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_SITE_URL", "http://localhost:8000/site")
    assert "remove path and query" in refused(capsys)

"""What a check says before there is anything, and afterwards. Runs first, on a bare host."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ansible.conftest import ADDRESS, LENT_STORE, STREAM_KEY
from tests.ansible.host import Host
from tests.support.objects import Store
from tests.support.station import rtmp_push, wait_for

pytestmark = pytest.mark.matrix


def test_a_check_on_a_bare_host_says_what_would_come_and_does_nothing(bare: Host) -> None:
    assert bare.run("ls /opt") == ""
    said = bare.play("--check", "--diff").succeeded()
    assert said.count("changed") > 15
    assert "+ExecStart=/opt/shoal/current/bin/shoal broadcaster" in said.output
    assert "tcp dport 22 accept" in said.output
    secret = bare.variables["shoal_broadcaster_token"]
    assert secret not in said.output
    assert (
        bare.run("ls /opt; ls /etc/nftables.d 2>/dev/null; id owncast 2>/dev/null", check=False)
        == ""
    )


def test_a_check_on_a_station_says_nothing(origin: Host) -> None:
    said = origin.play("--check", "--diff").succeeded()
    assert said.changed == []


@pytest.fixture
def in_public(origin: Host, store: Store) -> Iterator[Host]:
    """The host, when it reaches the store where viewers do, which is our loopback."""
    listen = f"--listen=127.0.0.1:{store.ports['s3']}"
    relay = f"/usr/lib/systemd/systemd-socket-proxyd {LENT_STORE}"
    origin.run(f"systemd-run --unit=public systemd-socket-activate {listen} {relay}")
    yield origin
    origin.run("systemctl stop public")


def test_the_station_is_verified(in_public: Host) -> None:
    origin = in_public
    said = origin.play(book="verify.yml").succeeded()
    assert "nothing has been broadcast yet" in said.output  # a warning
    assert said.changed == []
    with rtmp_push(f"rtmp://{ADDRESS}/live/{STREAM_KEY}"):
        health = "http://localhost:3000/health"
        wait_for("segments", lambda: json.loads(origin.get(health))["chunks"] >= 8, 90)
        said = origin.play(book="verify.yml").succeeded()
    assert "nothing has been broadcast yet" not in said.output
    origin.run("systemctl stop shoal-site")
    try:
        said = origin.play(book="verify.yml")
    finally:
        origin.run("systemctl start shoal-site")
    assert said.status != 0
    told = " ".join(said.output.split())
    assert "units: shoal-site do not run; `systemctl status shoal-site`" in told


@pytest.mark.parametrize(
    ("role", "wrong", "said"),
    [
        ("base", {"base_ssh_cidrs": ["0.0.0.0/0"]}, "not the whole world"),
        ("base", {"base_firewall": "perhaps"}, "base_firewall"),
        ("owncast", {"owncast_version": "0.1.3"}, "Name 0.2.0 or newer"),
        ("shoal", {"shoal_station_poster": "picture.gif"}, "is no .jpg, .png or .webp"),
        ("shoal", {"shoal_signaling_processes": 2}, "need a cluster"),
        ("cloudflared", {"cloudflared_version": "2025.3.0"}, "name 2025.4.0"),
    ],
)
def test_a_wrong_variable_is_named_before_anything_is_done(
    origin: Host, role: str, wrong: dict[str, Any], said: str
) -> None:
    play = origin.play("--tags", role, **wrong)
    assert play.status != 0
    assert said in " ".join(play.output.split())
    assert play.changed == []

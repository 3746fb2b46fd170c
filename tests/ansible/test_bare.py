"""Check mode before and after a deployment. Runs first, on a bare host."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ansible.conftest import ADDRESS, RELAYED_STORE, STREAM_KEY
from tests.ansible.host import Host
from tests.support.objects import Store
from tests.support.station import rtmp_push, wait_for

pytestmark = pytest.mark.matrix


def test_check_mode_on_a_bare_host_shows_the_changes_and_makes_none(bare: Host) -> None:
    assert bare.run("ls /opt") == ""
    play = bare.play("--check", "--diff").succeeded()
    assert play.count("changed") > 15
    assert "+ExecStart=/opt/shoal/current/bin/shoal broadcaster" in play.output
    assert "tcp dport 22 accept" in play.output
    secret = bare.variables["shoal_broadcaster_token"]
    assert secret not in play.output
    assert (
        bare.run("ls /opt; ls /etc/nftables.d 2>/dev/null; id owncast 2>/dev/null", check=False)
        == ""
    )


def test_check_mode_on_a_station_shows_no_change(origin: Host) -> None:
    play = origin.play("--check", "--diff").succeeded()
    assert play.changed == []


@pytest.fixture
def in_public(origin: Host, store: Store) -> Iterator[Host]:
    """The host, able to reach the store at the same loopback address as viewers."""
    listen = f"--listen=127.0.0.1:{store.ports['s3']}"
    relay = f"/usr/lib/systemd/systemd-socket-proxyd {RELAYED_STORE}"
    origin.run(f"systemd-run --unit=public systemd-socket-activate {listen} {relay}")
    yield origin
    origin.run("systemctl stop public")


def test_the_station_is_verified(in_public: Host) -> None:
    origin = in_public
    play = origin.play(book="verify.yml").succeeded()
    assert "nothing has been broadcast yet" in play.output  # a warning
    assert play.changed == []
    with rtmp_push(f"rtmp://{ADDRESS}/live/{STREAM_KEY}"):
        health = "http://localhost:3000/health"
        wait_for("segments", lambda: json.loads(origin.get(health))["chunks"] >= 8, 90)
        play = origin.play(book="verify.yml").succeeded()
    assert "nothing has been broadcast yet" not in play.output
    origin.run("systemctl stop shoal-site")
    try:
        play = origin.play(book="verify.yml")
    finally:
        origin.run("systemctl start shoal-site")
    assert play.status != 0
    output = " ".join(play.output.split())
    assert "units: not running: shoal-site; `systemctl status shoal-site`" in output


@pytest.mark.parametrize(
    ("role", "wrong", "message"),
    [
        ("base", {"base_ssh_cidrs": ["0.0.0.0/0"]}, "not the whole world"),
        ("base", {"base_firewall": "perhaps"}, "base_firewall"),
        ("owncast", {"owncast_version": "0.1.3"}, "set it to 0.2.0 or newer"),
        ("shoal", {"shoal_station_poster": "picture.gif"}, "is not a .jpg, .png or .webp file"),
        ("shoal", {"shoal_signaling_processes": 2}, "need a cluster"),
        ("cloudflared", {"cloudflared_version": "2025.3.0"}, "set it to 2025.4.0"),
    ],
)
def test_a_wrong_variable_is_named_before_anything_changes(
    origin: Host, role: str, wrong: dict[str, Any], message: str
) -> None:
    play = origin.play("--tags", role, **wrong)
    assert play.status != 0
    assert message in " ".join(play.output.split())
    assert play.changed == []

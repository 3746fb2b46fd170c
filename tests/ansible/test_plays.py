"""Plays on a deployed host change nothing, or only what they should."""

from tests.ansible.host import Host

SERVICES = ("owncast", "shoal-broadcaster", "shoal-signaling", "shoal-site", "cloudflared")


def started(origin: Host) -> dict[str, str]:
    """Return when each service last started."""
    return {
        name: origin.run(f"systemctl show --property ExecMainStartTimestampMonotonic {name}")
        for name in SERVICES
    }


def test_a_second_run_changes_nothing(origin: Host) -> None:
    before = started(origin)
    again = origin.play().succeeded()
    assert again.changed == []
    assert again.count("changed") == 0
    assert started(origin) == before


def test_the_host_comes_back_after_a_restart(origin: Host) -> None:
    origin.reboot()
    for name in SERVICES:
        origin.run(
            f"timeout 60 bash -c 'until systemctl is-active --quiet {name}; do sleep 1; done'"
        )
        assert origin.run(f"systemctl show --property NRestarts --value {name}") == "0"
    assert origin.run("systemctl --failed --no-legend --plain") == ""
    assert origin.run("stat -c %U:%G:%a /run/hls") == "owncast:hls:2750"
    assert "1935 accept" in origin.run("nft list ruleset")

"""Checks of the playbooks that need no host."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shoal.config.settings import (
    BroadcasterSettings,
    SignalingSettings,
    SiteSettings,
    StationSettings,
)
from tests.ansible.host import ANSIBLE, ROOT

SERVICES: dict[str, type[StationSettings]] = {
    "broadcaster": BroadcasterSettings,
    "signaling": SignalingSettings,
    "site": SiteSettings,
}
NOT_OPERATOR_SETTINGS = {
    # the tunnel's routes fix where the services are on a host
    *("broadcaster_url", "signaling_url", "site_url"),
    # only cloudflared connects to signaling, on loopback
    "trusted_proxies",
    # in the unit: each process has its own
    "process_url",
    # only `shoal up` has a gateway and a store of its own
    *("gateway_metrics_url", "store_metrics_url"),
}
BIN = Path(sys.executable).parent
REQUIRED = {"base_ssh_cidrs", "owncast_sha256", "cloudflared_sha256", "shoal_join_secret"}


def test_ansible_lints_production_profile_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "ansible-lint", "--offline", "--strict", "--nocolor"],
        cwd=ANSIBLE,
        env={
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": "/nonexistent",
            "ANSIBLE_HOME": "/tmp/ansible",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "profile 'production'" in done.stdout + done.stderr.lower() or "production" in done.stderr
    )


def specs() -> dict[str, dict[str, dict[str, object]]]:
    """Return the options of every role."""
    return {
        path.parent.parent.name: yaml.safe_load(path.read_text())["argument_specs"]["main"][
            "options"
        ]
        for path in sorted(ANSIBLE.glob("roles/*/meta/argument_specs.yml"))
    }


@pytest.mark.parametrize("role", sorted(specs()))
def test_every_variable_is_declared_and_every_default_exists(role: str) -> None:
    options = specs()[role]
    defaults = yaml.safe_load((ANSIBLE / f"roles/{role}/defaults/main.yml").read_text())
    optional = {name for name, option in options.items() if not option.get("required")}
    assert set(defaults) == optional
    for name, option in options.items():
        secret = any(
            word in name for word in ("token", "secret", "password", "stream_keys", "webhook")
        )
        assert bool(option.get("no_log")) == (secret or name == "shoal_r2_access_key_id"), name
        simple = isinstance(defaults.get(name), int | list | bool)
        if simple and not isinstance(option.get("default"), str):
            assert option["default"] == defaults[name], name


def test_secrets_and_checksums_have_no_default() -> None:
    required = {
        name
        for options in specs().values()
        for name, option in options.items()
        if option.get("required")
    }
    assert required >= REQUIRED


@pytest.mark.parametrize("service", SERVICES)
def test_every_operator_setting_of_a_service_is_set(service: str) -> None:
    variables = yaml.safe_load((ANSIBLE / "roles/shoal/vars/main.yml").read_text())
    credentials = re.findall(r"'(\w+)'", str(variables["_shoal_credentials"][service]))
    environment = variables["_shoal_environment"][service]
    given = {name.removeprefix("SHOAL_").lower() for name in environment} | set(credentials)
    settings = set(SERVICES[service].model_fields)
    assert given <= settings
    assert NOT_OPERATOR_SETTINGS.isdisjoint(given)
    # not every service uses the settings that all of them share
    needed = settings - set(StationSettings.model_fields) - NOT_OPERATOR_SETTINGS
    assert needed <= given


def test_the_page_of_variables_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/variables.py"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs/variables.md").read_text() == done.stdout, "run `make variables`"

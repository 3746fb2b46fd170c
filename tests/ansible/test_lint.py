"""What can be said about the playbooks without a host."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.ansible.host import ANSIBLE, ROOT

BIN = Path(sys.executable).parent
REQUIRED = {"base_ssh_cidrs", "owncast_sha256", "cloudflared_sha256", "shoal_join_secret"}


def test_ansible_lint_s_production_profile_finds_nothing() -> None:
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
    """The options of every role."""
    return {
        path.parent.parent.name: yaml.safe_load(path.read_text())["argument_specs"]["main"][
            "options"
        ]
        for path in sorted(ANSIBLE.glob("roles/*/meta/argument_specs.yml"))
    }


@pytest.mark.parametrize("role", sorted(specs()))
def test_every_variable_is_declared_and_every_default_is_there(role: str) -> None:
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


def test_the_page_of_variables_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/variables.py"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs/variables.md").read_text() == done.stdout, "run `make variables`"

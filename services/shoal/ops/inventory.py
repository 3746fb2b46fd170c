"""Ansible's inventory: the outputs of a Pulumi stack as one host with its variables.

Secrets stay in memory. The host's ssh keys are pinned before the first connection: they come from
the EC2 console, which needs AWS credentials, or from the stack's configuration.
"""

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from shoal.errors import OperatorError
from shoal.ops.host_keys import fetch_host_keys

GROUP = "shoal"
KNOWN_HOSTS = Path(".shoal/known_hosts")
PULUMI_TIMEOUT_S = 300


class StackOutputs(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The outputs of a stack that Ansible needs; docs/deploy.md explains each."""

    public_ip: str
    ssh_user: str
    ssh_host_keys: list[str]
    instance_id: str
    region: str
    hostname: str
    admin_hostname: str
    media_url: str
    bucket: str
    s3_endpoint: str
    embed_origins: list[str]
    rtmp_allowed_cidrs: list[str]
    ssh_allowed_cidrs: list[str]
    torrent_port: int
    r2_access_key_id: str
    r2_secret_access_key: str
    tunnel_token: str


PASSED_ON = (
    *("hostname", "admin_hostname", "media_url", "bucket", "s3_endpoint", "embed_origins"),
    *("rtmp_allowed_cidrs", "ssh_allowed_cidrs"),
    *("r2_access_key_id", "r2_secret_access_key", "tunnel_token"),
)
"""passed on unchanged, with the prefix `shoal_`"""


def build_inventory(outputs: StackOutputs, known_hosts: Path) -> dict[str, object]:
    """Return the inventory in the form of Ansible's `--list`."""
    variables: dict[str, object] = {
        "ansible_host": outputs.public_ip,
        "ansible_user": outputs.ssh_user,
        "ansible_ssh_common_args": _ssh_arguments(host_alias(outputs), known_hosts),
    }
    variables |= {f"shoal_{name}": getattr(outputs, name) for name in PASSED_ON}
    port = outputs.torrent_port
    variables["shoal_torrent_address"] = f"{outputs.public_ip}:{port}" if port else ""
    return {
        GROUP: {"hosts": [outputs.hostname]},
        "_meta": {"hostvars": {outputs.hostname: variables}},
    }


def host_alias(outputs: StackOutputs) -> str:
    """Return the name to keep the host's keys under: its address may be another host's tomorrow."""
    return outputs.instance_id or outputs.hostname


def _ssh_arguments(alias: str, known_hosts: Path) -> str:
    options = {
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
    }
    return " ".join(f"-o {shlex.quote(f'{key}={value}')}" for key, value in options.items())


def pin_host_keys(
    outputs: StackOutputs,
    folder: Path,
    fetch_keys: Callable[[str, str], Sequence[str]] = fetch_host_keys,
) -> Path:
    """Return the known_hosts file of the stack's host, created if it does not exist yet.

    `fetch_keys` returns the host keys of an instance, given its ID and region.
    """
    alias = host_alias(outputs)
    path = folder.absolute() / alias
    keys: Sequence[str] = outputs.ssh_host_keys
    if not keys and path.exists():
        return path
    if not keys:
        keys = fetch_keys(outputs.instance_id, outputs.region)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{alias} {key}\n" for key in keys))
    return path


def read_outputs() -> StackOutputs:
    """Return the outputs of the file in `SHOAL_OUTPUTS_FILE`, or of a Pulumi stack."""
    outputs_file = os.environ.get("SHOAL_OUTPUTS_FILE")
    text = (
        _read_file(Path(outputs_file))
        if outputs_file
        else _query_pulumi(os.environ.get("SHOAL_STACK"))
    )
    try:
        return msgspec.json.decode(text, type=StackOutputs)
    except msgspec.DecodeError as error:
        source = outputs_file or "the stack"
        raise OperatorError(
            f"{source} lacks outputs that Ansible needs ({error}): run `pulumi up` with this"
            " version of Shoal, and make sure that it succeeds"
        ) from error


def _read_file(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise OperatorError(
                f"{path} contains secrets, and other users may read it: run chmod 600 {path}"
            )
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"cannot read {path}, which SHOAL_OUTPUTS_FILE names: {error.strerror}"
        ) from error


def _query_pulumi(stack: str | None) -> bytes:
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", "--non-interactive"]
    if stack:
        command += ["--stack", stack]
    try:
        result = subprocess.run(command, capture_output=True, timeout=PULUMI_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise OperatorError(
            "pulumi is not on the PATH: install it (https://www.pulumi.com/docs/install/), or name"
            " a file with the outputs of the stack in SHOAL_OUTPUTS_FILE"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise OperatorError(
            f"{shlex.join(command)} did not finish within {PULUMI_TIMEOUT_S} s: check that the"
            " Pulumi backend is reachable"
        ) from error
    if result.returncode:
        stderr = result.stderr.decode(errors="replace").strip()
        raise OperatorError(f"{shlex.join(command)} failed: {stderr}")
    return result.stdout


def main(arguments: Sequence[str]) -> int:
    """Answer Ansible's `--list`, or `--host NAME`, whose variables are in `--list` already."""
    if list(arguments[:1]) == ["--host"]:
        sys.stdout.write("{}\n")
        return 0
    try:
        outputs = read_outputs()
        listing = build_inventory(outputs, pin_host_keys(outputs, KNOWN_HOSTS))
    except OperatorError as error:
        sys.stderr.write(f"inventory: {error}\n")
        return 1
    sys.stdout.write(json.dumps(listing, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

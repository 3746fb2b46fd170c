"""Ansible's inventory: the outputs of a Pulumi stack as one host and its variables.

Secrets pass through memory only. The host's ssh keys are pinned before the first connection: EC2's
console shows them to who may ask AWS, or the stack's configuration names them.
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
from shoal.ops.host_keys import read_console

GROUP = "shoal"
KNOWN_HOSTS = Path(".shoal/known_hosts")
PULUMI_TIMEOUT_S = 300


class Outputs(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
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


VARIABLES = (
    *("hostname", "admin_hostname", "media_url", "bucket", "s3_endpoint", "embed_origins"),
    *("rtmp_allowed_cidrs", "ssh_allowed_cidrs"),
    *("r2_access_key_id", "r2_secret_access_key", "tunnel_token"),
)
"""what goes on as it is, with `shoal_` before it"""


def inventory(outputs: Outputs, known_hosts: Path) -> dict[str, object]:
    """Return what Ansible's `--list` wants."""
    variables: dict[str, object] = {
        "ansible_host": outputs.public_ip,
        "ansible_user": outputs.ssh_user,
        "ansible_ssh_common_args": _ssh_arguments(alias_of(outputs), known_hosts),
    }
    variables |= {f"shoal_{name}": getattr(outputs, name) for name in VARIABLES}
    port = outputs.torrent_port
    variables["shoal_torrent_address"] = f"{outputs.public_ip}:{port}" if port else ""
    return {
        GROUP: {"hosts": [outputs.hostname]},
        "_meta": {"hostvars": {outputs.hostname: variables}},
    }


def alias_of(outputs: Outputs) -> str:
    """Return what the host's keys are kept under: an address may be another host's tomorrow."""
    return outputs.instance_id or outputs.hostname


def _ssh_arguments(alias: str, known_hosts: Path) -> str:
    options = {
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
    }
    return " ".join(f"-o {shlex.quote(f'{key}={value}')}" for key, value in options.items())


def pin(
    outputs: Outputs, folder: Path, console: Callable[[str, str], Sequence[str]] = read_console
) -> Path:
    """Return the known_hosts file of the stack's host, made if it is not there yet.

    `console` gives the keys that an instance of a region has shown.
    """
    alias = alias_of(outputs)
    path = folder.absolute() / alias
    keys: Sequence[str] = outputs.ssh_host_keys
    if not keys and path.exists():
        return path
    if not keys:
        keys = console(outputs.instance_id, outputs.region)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{alias} {key}\n" for key in keys))
    return path


def read_outputs() -> Outputs:
    """Return the outputs of the file in `SHOAL_OUTPUTS_FILE`, or of a Pulumi stack."""
    named = os.environ.get("SHOAL_OUTPUTS_FILE")
    text = _from_file(Path(named)) if named else _from_pulumi(os.environ.get("SHOAL_STACK"))
    try:
        return msgspec.json.decode(text, type=Outputs)
    except msgspec.DecodeError as error:
        source = named or "the stack"
        raise OperatorError(
            f"{source} lacks what Ansible needs ({error}): has `pulumi up` ended well, and are the"
            " outputs of this version?"
        ) from error


def _from_file(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise OperatorError(
                f"{path} holds secrets, and others than you may read it: chmod 600 {path}"
            )
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {path} (SHOAL_OUTPUTS_FILE): {error.strerror}") from error


def _from_pulumi(stack: str | None) -> bytes:
    command = ["pulumi", "stack", "output", "--json", "--show-secrets", "--non-interactive"]
    if stack:
        command += ["--stack", stack]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PULUMI_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise OperatorError(
            "there is no pulumi on the PATH: install it (https://www.pulumi.com/docs/install/), or"
            " name a file with its outputs in SHOAL_OUTPUTS_FILE"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise OperatorError(f"pulumi did not answer within {PULUMI_TIMEOUT_S} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise OperatorError(f"{shlex.join(command)} failed: {said}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Answer Ansible: `--list`, or `--host NAME`, whose variables `--list` has told already."""
    if list(arguments[:1]) == ["--host"]:
        sys.stdout.write("{}\n")
        return 0
    try:
        outputs = read_outputs()
        found = inventory(outputs, pin(outputs, KNOWN_HOSTS))
    except OperatorError as error:
        sys.stderr.write(f"inventory: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

import base64
import json
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import boto3
import msgspec
import pytest
from botocore.stub import Stubber

from shoal.errors import OperatorError
from shoal.ops import inventory
from shoal.ops.host_keys import fetch_host_keys, parse_host_keys
from shoal.ops.inventory import StackOutputs, main, pin_host_keys

ED25519 = "ssh-ed25519 " + "A" * 68
RSA = "ssh-rsa " + "B" * 372
CONSOLE = f"""
[   12.3] cloud-init[700]: ci-info: no authorized ssh keys fingerprints found
-----BEGIN SSH HOST KEY KEYS-----
{ED25519} root@ip-172-31-0-1
{RSA} root@ip-172-31-0-1
-----END SSH HOST KEY KEYS-----
debian login:
"""
OUTPUTS: dict[str, Any] = {
    "publicIp": "203.0.113.7",
    "sshUser": "admin",
    "sshHostKeys": [],
    "instanceId": "i-0a1b2c3d",
    "region": "eu-central-1",
    "architecture": "arm64",
    "hostname": "tv.example.org",
    "adminHostname": "",
    "mediaUrl": "https://tv-media.example.org",
    "bucket": "shoal-prod",
    "s3Endpoint": "https://a.r2.cloudflarestorage.com",
    "embedOrigins": [],
    "rtmpAllowedCidrs": ["198.51.100.4/32"],
    "sshAllowedCidrs": ["198.51.100.0/24"],
    "torrentPort": 6881,
    "r2AccessKeyId": "id",
    "r2SecretAccessKey": "secret",
    "tunnelToken": "token",
    "tunnelId": "t",
    "cacheRules": [],
}


@pytest.fixture
def outputs_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "outputs.json"
    path.touch(0o600)
    path.write_text(json.dumps({**OUTPUTS, "sshHostKeys": [ED25519]}))
    monkeypatch.setenv("SHOAL_OUTPUTS_FILE", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def outputs(**changes: Any) -> StackOutputs:
    return msgspec.convert({**OUTPUTS, **changes}, StackOutputs)


def keys_from_console(_instance: str, _region: str) -> Sequence[str]:
    return parse_host_keys(CONSOLE)


def never(_instance: str, _region: str) -> Sequence[str]:
    raise AssertionError("the console is queried only once")


@pytest.mark.usefixtures("outputs_file")
def test_ansible_gets_one_host_with_its_variables(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--list"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["shoal"] == {"hosts": ["tv.example.org"]}
    known_hosts = tmp_path / ".shoal/known_hosts/i-0a1b2c3d"
    assert listed["_meta"]["hostvars"]["tv.example.org"] == {
        "ansible_host": "203.0.113.7",
        "ansible_user": "admin",
        "ansible_ssh_common_args": f"-o 'UserKnownHostsFile=\"{known_hosts}\"'"
        " -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=i-0a1b2c3d"
        " -o StrictHostKeyChecking=yes",
        "shoal_hostname": "tv.example.org",
        "shoal_admin_hostname": "",
        "shoal_media_url": "https://tv-media.example.org",
        "shoal_bucket": "shoal-prod",
        "shoal_s3_endpoint": "https://a.r2.cloudflarestorage.com",
        "shoal_embed_origins": [],
        "shoal_rtmp_allowed_cidrs": ["198.51.100.4/32"],
        "shoal_ssh_allowed_cidrs": ["198.51.100.0/24"],
        "shoal_torrent_address": "203.0.113.7:6881",
        "shoal_r2_access_key_id": "id",
        "shoal_r2_secret_access_key": "secret",
        "shoal_tunnel_token": "token",
    }
    assert known_hosts.read_text() == f"i-0a1b2c3d {ED25519}\n"


def test_a_host_asked_for_by_name_gets_no_further_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--host", "tv.example.org"]) == 0
    assert json.loads(capsys.readouterr().out) == {}


def test_keys_of_the_console_are_pinned_at_the_first_run(tmp_path: Path) -> None:
    path = pin_host_keys(outputs(), tmp_path, keys_from_console)
    assert path.read_text() == f"i-0a1b2c3d {ED25519}\ni-0a1b2c3d {RSA}\n"
    assert pin_host_keys(outputs(publicIp="203.0.113.8"), tmp_path, never) == path
    assert pin_host_keys(outputs(instanceId="i-new"), tmp_path, keys_from_console) != path


def test_keys_in_the_configuration_take_precedence(tmp_path: Path) -> None:
    pin_host_keys(outputs(), tmp_path, keys_from_console)
    path = pin_host_keys(outputs(sshHostKeys=[RSA]), tmp_path, never)
    assert path.read_text() == f"i-0a1b2c3d {RSA}\n"


def test_an_existing_host_is_known_by_the_stations_hostname(tmp_path: Path) -> None:
    path = pin_host_keys(outputs(instanceId="", region="", sshHostKeys=[RSA]), tmp_path, never)
    assert path.read_text() == f"tv.example.org {RSA}\n"


def test_keys_elsewhere_on_the_console_are_ignored() -> None:
    assert parse_host_keys(f"somebody writes {RSA} here") == []
    assert parse_host_keys("") == []


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A real EC2 client with the test's responses."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client: Any = boto3.Session().client(cast(Any, "ec2"), region_name="eu-central-1")
    monkeypatch.setattr(boto3, "client", lambda *_args, **_kwargs: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def console(ec2: Stubber, text: str, *, latest: bool) -> None:
    answer = {"Output": base64.b64encode(text.encode()).decode()}
    ec2.add_response("get_console_output", answer, {"InstanceId": "i-0a1b2c3d", "Latest": latest})


def test_keys_that_scrolled_away_are_in_the_older_copy_of_the_console(ec2: Stubber) -> None:
    console(ec2, "debian login:", latest=True)
    console(ec2, CONSOLE, latest=False)
    assert fetch_host_keys("i-0a1b2c3d", "eu-central-1") == [ED25519, RSA]


def test_a_host_that_does_not_show_its_keys_yet(ec2: Stubber) -> None:
    console(ec2, "", latest=True)
    console(ec2, "", latest=False)
    with pytest.raises(OperatorError, match="a few minutes after its first boot"):
        fetch_host_keys("i-0a1b2c3d", "eu-central-1")


def test_credentials_without_access_to_the_console(ec2: Stubber) -> None:
    ec2.add_client_error("get_console_output", "UnauthorizedOperation", "You are not authorized")
    with pytest.raises(OperatorError, match=r"not authorized.*ec2:GetConsoleOutput"):
        fetch_host_keys("i-0a1b2c3d", "eu-central-1")


def test_the_most_recent_first_boot_counts() -> None:
    assert parse_host_keys(CONSOLE.replace("A" * 68, "C" * 68) + CONSOLE) == [ED25519, RSA]


def test_a_file_that_other_users_may_read_is_refused(
    outputs_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs_file.chmod(0o644)
    assert main(["--list"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, f"chmod 600 {outputs_file}" in captured.err) == ("", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "lacks outputs that Ansible needs"), ("no", "lacks outputs that Ansible needs")],
)
def test_incomplete_outputs(
    outputs_file: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    outputs_file.write_text(text)
    assert main(["--list"]) == 1
    assert message in capsys.readouterr().err


def fake_pulumi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("SHOAL_OUTPUTS_FILE", raising=False)


def test_pulumi_is_asked_for_the_stack_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pulumi(tmp_path, f"echo \"$@\" > '{tmp_path}/asked'; cat '{tmp_path}/out'", monkeypatch)
    (tmp_path / "out").write_text(json.dumps(OUTPUTS))
    monkeypatch.setenv("SHOAL_STACK", "prod")
    assert inventory.read_outputs() == outputs()
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:4] == ["stack", "output", "--json", "--show-secrets"]
    assert asked[-2:] == ["--stack", "prod"]


def test_errors_of_pulumi_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pulumi(tmp_path, "echo 'error: no stack selected' >&2; exit 255", monkeypatch)
    with pytest.raises(OperatorError, match="no stack selected"):
        inventory.read_outputs()


def test_without_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SHOAL_OUTPUTS_FILE", raising=False)
    with pytest.raises(OperatorError, match="pulumi is not on the PATH"):
        inventory.read_outputs()

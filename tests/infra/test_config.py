"""Invalid configurations: one clear error, before anything is created."""

import base64
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

import shoal_infra
from shoal_infra.config import ConfigError, load
from tests.infra.harness import SSH_KEY, ZONE, run

ROOT = Path(__file__).parents[2]
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END"


def key(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(each)) + each for each in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()} op@example"


def error(
    changes: Mapping[str, object], *, zone: Mapping[str, object] | None = ZONE, network: bool = True
) -> str:
    """Return the message that Pulumi prints; nothing may have been created."""
    created: list[str] = []

    def program() -> None:
        from shoal_infra import program as station

        station.build(load())
        created.append("everything")

    with pytest.raises(ConfigError) as caught:
        run(changes, zone=zone, has_network=network, program=program)
    assert not created
    return str(caught.value)


BAD = [
    ("hostname", None, "is missing: pulumi config set hostname tv.example.org"),
    ("hostname", "https://tv.example.org/", "is not a hostname"),
    ("hostname", "tv.example.com", "tv.example.com is outside the zone example.org"),
    ("hostname", "tv.notexample.org", "outside the zone"),
    ("hostname", "a.b.example.org", "more than one level below example.org"),
    ("zone", None, "is missing"),
    ("zone", "org", "is not a hostname"),
    ("mediaHostname", "media.example.com", "outside the zone"),
    ("mediaHostname", "tv.example.org", "they must differ"),
    ("adminHostname", "tv-media.example.org", "they must differ"),
    ("cloudflareAccountId", None, "is missing"),
    ("cloudflareAccountId", "op@example.org", "is not an account ID"),
    ("accessEmails", ["example.org"], "neither an email address nor a domain"),
    ("accessTeam", "my team", "is not a team name"),
    ("embedOrigins", ["example.com"], "must be * or an origin"),
    ("rtmpAllowedCidrs", None, "is missing"),
    ("rtmpAllowedCidrs", [], "is missing"),
    ("rtmpAllowedCidrs", "198.51.100.4/32", "is not a list: pulumi config set --path"),
    ("rtmpAllowedCidrs", [7], "is not a list"),
    ("rtmpAllowedCidrs", ["0.0.0.0/0"], "open to the world"),
    ("rtmpAllowedCidrs", ["198.51.100.4", "::/0"], "open to the world"),
    ("rtmpAllowedCidrs", ["0.0.0.0/1", "128.0.0.0/1"], "open to the world"),
    ("rtmpAllowedCidrs", ["example.org"], "is not a network"),
    ("rtmpAllowedCidrs", ["198.51.100.4/24"], "write 198.51.100.0/24"),
    ("sshAllowedCidrs", None, "is missing"),
    ("sshAllowedCidrs", ["0.0.0.0/0"], "open to the world"),
    ("sshPublicKey", None, "is missing"),
    ("sshPublicKey", PRIVATE, "this is the private key!"),
    ("sshPublicKey", "ssh-ed25519", "is not an ssh public key"),
    ("sshPublicKey", "ssh-ed25519 AAAA", "is not an ssh public key"),
    ("sshPublicKey", SSH_KEY.replace("ssh-ed25519", "ssh-rsa", 1), "is labeled ssh-rsa"),
    ("sshPublicKey", key("ssh-rsa", b"\1\0\1", b"\0\xff" + b"\0" * 127), "has 1024 bits"),
    ("sshPublicKey", key("ssh-rsa"), "has 0 bits"),
    ("sshPublicKey", key("ecdsa-sha2-nistp256", b"nistp256", b"x"), "does not accept ecdsa"),
    ("image", "windows", "use debian-13, debian-12, ubuntu-24.04"),
    ("instanceType", "t2.nano", "use t4g.small or t3.small"),
    ("volumeGb", 2, "from 8 to 1000"),
    ("volumeGb", "big", "from 8 to 1000"),
    ("torrentPort", 1935, "is taken"),
    ("torrentPort", 80, "is taken"),
    ("torrentPort", 70000, "from 0 to 65535"),
    ("existingInstanceIp", "tv.example.org", "is not an IP address"),
    ("bucketName", "My_Bucket", "is not a bucket name"),
    ("sshUser", "root; reboot", "is not a user name"),
    ("sshHostKeys", ["ssh-ed25519"], "is not an ssh public key"),
    ("manageCacheRules", "perhaps", "true or false"),
]


@pytest.mark.parametrize(("setting", "value", "message"), BAD)
def test_a_bad_setting_is_named_with_what_to_do(setting: str, value: object, message: str) -> None:
    text = error({f"shoal:{setting}": value})
    lines = [line for line in text.splitlines() if line.startswith(f"  shoal:{setting}: ")]
    assert any(message in line for line in lines), text


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (None, "aws:region: is missing: pulumi config set aws:region"),
        ("eu-west-9", "aws:region: 'eu-west-9' is not an EC2 region: there is, for example, eu-"),
    ],
)
def test_the_region(monkeypatch: pytest.MonkeyPatch, region: str | None, message: str) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert message in error({"aws:region": region})


def test_the_region_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert run({"aws:region": None}).outputs["region"] == "us-west-2"


def test_all_problems_are_reported_at_once() -> None:
    message = error(
        {"shoal:rtmpAllowedCidrs": ["0.0.0.0/0"], "shoal:zone": None, "aws:region": "x"}
    )
    assert "nothing was changed" in message
    assert len([line for line in message.splitlines() if line.startswith("  ")]) == 3


def test_a_hostname_outside_the_zone_is_one_problem() -> None:
    message = error({"shoal:hostname": "tv.example.com"})
    assert len([line for line in message.splitlines() if line.startswith("  ")]) == 1


def test_a_private_key_is_never_repeated() -> None:
    assert "b3BlbnNz" not in error({"shoal:sshPublicKey": PRIVATE})


def test_access_needs_its_team() -> None:
    assert "shoal:accessTeam: is missing" in error({"shoal:accessEmails": ["op@example.org"]})


def test_an_existing_host_needs_its_keys_and_user() -> None:
    message = error({"shoal:existingInstanceIp": "203.0.113.99"})
    assert "shoal:sshHostKeys: is missing" in message
    assert "shoal:sshUser: is missing" in message


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        (None, "cannot find the zone example.org"),
        ({**ZONE, "type": "partial"}, "is of type partial"),
        ({**ZONE, "status": "pending"}, "is pending"),
        ({**ZONE, "paused": True}, "is paused"),
    ],
)
def test_zones_that_cannot_hold_a_station(zone: Mapping[str, object] | None, message: str) -> None:
    assert message in error({}, zone=zone)


def test_a_region_without_a_default_network() -> None:
    message = error({}, network=False)
    assert "cannot find a default VPC in the AWS region eu-central-1" in message
    assert "aws ec2 create-default-vpc --region eu-central-1" in message


def test_pulumi_yaml_declares_each_setting_with_type_and_description() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    folder = Path(shoal_infra.__file__).parent
    source = (folder / "config.py").read_text()
    calls = r"read\.(text|texts|integer|boolean)\(\s*\"(\w+)\""
    read = {name: method for method, name in re.findall(calls, source)}
    read |= {"mediaHostname": "text", "adminHostname": "text"}
    types = {"text": "string", "texts": "array", "integer": "integer", "boolean": "boolean"}
    declared = project["config"]
    assert {name: each["type"] for name, each in declared.items()} == {
        name: types[method] for name, method in read.items()
    }
    assert all(each["description"] for each in declared.values())
    assert (ROOT / project["main"] / "__main__.py").is_file()


def test_the_defaults_of_pulumi_yaml_are_the_programs() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    defaults = {
        f"shoal:{name}": each["default"]
        for name, each in project["config"].items()
        if "default" in each and name != "sshPublicKey"
    }
    explicit, implicit = run(defaults), run()
    assert explicit.outputs == implicit.outputs
    assert {each.urn: each.inputs for each in explicit.resources} == {
        each.urn: each.inputs for each in implicit.resources
    }

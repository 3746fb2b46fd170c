"""What each setting changes."""

from typing import Any

import pytest

from tests.infra.harness import SSH_KEY, Run, run

HOST_KEY = " ".join(SSH_KEY.split()[:2])
EXISTING_HOST: dict[str, object] = {
    "shoal:existingInstanceIp": "203.0.113.99",
    "shoal:sshHostKeys": [f"{HOST_KEY} root@host"],
    "shoal:sshUser": "deploy",
    "shoal:sshPublicKey": None,
    "aws:region": None,
}


def open_ports(made: Run) -> set[tuple[Any, ...]]:
    return {
        (
            rule.inputs["ipProtocol"],
            rule.inputs["fromPort"],
            rule.inputs["toPort"],
            rule.inputs.get("cidrIpv4") or rule.inputs["cidrIpv6"],
        )
        for rule in made.of("SecurityGroupIngressRule")
    }


def test_names_can_be_chosen() -> None:
    made = run(
        {
            "shoal:mediaHostname": "video.example.org",
            "shoal:adminHostname": "studio.example.org",
            "shoal:bucketName": "old-bucket",
            "shoal:accessEmails": ["op@example.org"],
            "shoal:accessTeam": "team",
        }
    )
    assert made.outputs["mediaUrl"] == "https://video.example.org"
    assert made.outputs["adminHostname"] == "studio.example.org"
    assert made.one("R2Bucket").inputs["name"] == made.outputs["bucket"] == "old-bucket"


def test_a_station_at_the_apex() -> None:
    made = run({"shoal:hostname": "example.org"})
    assert made.outputs["mediaUrl"] == "https://media.example.org"


def test_sites_that_embed_the_player_may_read_segments() -> None:
    made = run({"shoal:embedOrigins": ["https://Example.com", "http://localhost:3000"]})
    (rule,) = made.one("R2BucketCors").inputs["rules"]
    origins = ["https://tv.example.org", "https://example.com", "http://localhost:3000"]
    assert rule["allowed"]["origins"] == origins
    assert made.outputs["embedOrigins"] == origins[1:]
    (rule,) = run({"shoal:embedOrigins": ["*"]}).one("R2BucketCors").inputs["rules"]
    assert rule["allowed"]["origins"] == ["*"]


@pytest.mark.parametrize(
    ("image", "instance", "parameter", "user", "architecture"),
    [
        ("debian-13", "t3.small", "/aws/service/debian/release/13/latest/amd64", "admin", "amd64"),
        ("debian-12", "c7g.large", "/aws/service/debian/release/12/latest/arm64", "admin", "arm64"),
        (
            "ubuntu-24.04",
            "t4g.medium",
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id",
            "ubuntu",
            "arm64",
        ),
    ],
)
def test_images_and_architectures(
    image: str, instance: str, parameter: str, user: str, architecture: str
) -> None:
    made = run({"shoal:image": image, "shoal:instanceType": instance})
    (ami,) = [call for call in made.clouds.calls if call.token.endswith("getParameter")]
    assert ami.args["name"] == parameter
    assert (made.outputs["sshUser"], made.outputs["architecture"]) == (user, architecture)
    data: Any = made.one("Instance").inputs.get("userData")
    if user == "admin":  # Debian's images lack the AWS SSM agent
        assert f"/latest/debian_{architecture}/amazon-ssm-agent.deb" in data
    else:
        assert data is None


def test_every_network_has_its_rule() -> None:
    made = run(
        {
            "shoal:rtmpAllowedCidrs": ["198.51.100.4", "2001:db8::/48"],
            "shoal:sshAllowedCidrs": ["192.0.2.0/24", "192.0.2.0/24"],
        }
    )
    assert open_ports(made) == {
        ("tcp", 1935, 1935, "198.51.100.4/32"),
        ("tcp", 1935, 1935, "2001:db8::/48"),
        ("tcp", 22, 22, "192.0.2.0/24"),
    }
    assert "::" not in "".join(rule.name for rule in made.of("SecurityGroupIngressRule"))


def test_torrents_get_a_port_if_one_is_set() -> None:
    made = run({"shoal:torrentPort": 6881})
    torrents = {port for port in open_ports(made) if port[1] == 6881}
    assert torrents == {(protocol, 6881, 6881, "0.0.0.0/0") for protocol in ("tcp", "udp")}
    assert made.outputs["torrentPort"] == 6881


def test_the_disk() -> None:
    device = run({"shoal:volumeGb": 50}).one("Instance").inputs["rootBlockDevice"]
    assert (device["volumeSize"], device["volumeType"]) == (50, "gp3")


def test_an_existing_host_is_used() -> None:
    made = run({**EXISTING_HOST, "shoal:existingArchitecture": "arm64"})
    assert not [each for each in made.resources if each.typ.startswith("aws:")]
    assert not [call for call in made.clouds.calls if call.token.startswith("aws:")]
    expected = {
        "publicIp": "203.0.113.99",
        "instanceId": "",
        "region": "",
        "architecture": "arm64",
        "sshUser": "deploy",
        "sshHostKeys": [HOST_KEY],
    }
    assert {key: made.outputs[key] for key in expected} == expected
    assert made.outputs["tunnelToken"]


@pytest.mark.parametrize(
    ("setting", "missing"),
    [
        ("manageBucketRules", {"R2BucketCors", "R2BucketLifecycle"}),
        ("manageCacheRules", {"Ruleset"}),
    ],
)
def test_rule_lists_can_be_left_unmanaged(setting: str, missing: set[str]) -> None:
    managed = {each.urn: each.cls for each in run().resources}
    left = {each.urn for each in run({f"shoal:{setting}": False}).resources}
    assert {cls for urn, cls in managed.items() if urn not in left} == missing


def test_unmanaged_cache_rules_are_in_the_outputs() -> None:
    assert len(run({"shoal:manageCacheRules": False}).outputs["cacheRules"]) == 2


def test_cloud_connector_serves_segments_from_the_bucket_once_it_exists() -> None:
    assert not run().of("CloudConnectorRules")
    made = run({"shoal:manageCloudConnector": True})
    connector = made.one("CloudConnectorRules")
    assert connector.inputs["rules"] == [
        {
            "cloudConnectorRulesProvider": "cloudflare_r2",
            "description": "Shoal: segments from R2",
            "enabled": True,
            "expression": 'http.host eq "tv.example.org"'
            ' and http.request.uri.path strict wildcard "/live/*/*.ts"',
            "parameters": {"host": "tv-media.example.org"},
        }
    ]
    assert made.one("R2CustomDomain").urn in made.ancestors_of(connector)

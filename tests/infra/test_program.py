"""What the whole program declares."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.harness import ACCOUNT, PUBLIC_IP, TOKEN_VALUE, TUNNEL_TOKEN, ZONE_ID, Run, run

ROOT = Path(__file__).parents[2]
ACCESS = {
    "shoal:accessEmails": ["op@example.org", "@example.net"],
    "shoal:accessTeam": "https://team.cloudflareaccess.com/",
}
SECRET = {"r2AccessKeyId", "r2SecretAccessKey", "tunnelToken"}


@pytest.fixture(scope="module")
def station() -> Run:
    return run()


@pytest.fixture(scope="module")
def guarded() -> Run:
    return run(ACCESS)


def test_all_resources(station: Run) -> None:
    assert Counter(resource.cls for resource in station.resources) == {
        "SegmentStore": 1,
        "R2Bucket": 1,
        "R2CustomDomain": 1,
        "R2ManagedDomain": 1,
        "R2BucketCors": 1,
        "R2BucketLifecycle": 1,
        "AccountToken": 1,
        "OriginHost": 1,
        "Instance": 1,
        "Eip": 1,
        "KeyPair": 1,
        "SecurityGroup": 1,
        "SecurityGroupIngressRule": 2,
        "SecurityGroupEgressRule": 1,
        "Role": 1,
        "RolePolicyAttachment": 1,
        "InstanceProfile": 1,
        "PublicEdge": 1,
        "ZeroTrustTunnelCloudflared": 1,
        "ZeroTrustTunnelCloudflaredConfig": 1,
        "DnsRecord": 1,
        "Ruleset": 1,
    }


def test_every_resource_is_in_a_component(station: Run) -> None:
    components = {each.urn: each.cls for each in station.resources if each not in station.made}
    for resource in station.made:
        assert components[resource.parent], resource.name


def test_outputs(station: Run) -> None:
    assert station.outputs == {
        "hostname": "tv.example.org",
        "adminHostname": "",
        "embedOrigins": [],
        "rtmpAllowedCidrs": ["198.51.100.4/32"],
        "sshAllowedCidrs": ["198.51.100.0/24"],
        "torrentPort": 0,
        "publicIp": PUBLIC_IP,
        "instanceId": "shoal-test-instance-id",
        "region": "eu-central-1",
        "architecture": "arm64",
        "sshUser": "admin",
        "sshHostKeys": [],
        "bucket": "shoal-test-tv-example-org-8e59dc",
        "mediaUrl": "https://tv-media.example.org",
        "s3Endpoint": f"https://{ACCOUNT}.r2.cloudflarestorage.com",
        "r2AccessKeyId": "shoal-test-token-id",
        "r2SecretAccessKey": hashlib.sha256(TOKEN_VALUE.encode()).hexdigest(),
        "tunnelId": "shoal-test-tunnel-id",
        "tunnelToken": TUNNEL_TOKEN,
        "cacheRules": [
            {
                "description": "Shoal: segments, for ever as their headers say",
                "expression": 'http.host eq "tv-media.example.org"',
            },
            {
                "description": "Shoal: playlists, a second as their headers say",
                "expression": 'http.host eq "tv.example.org"'
                ' and starts_with(http.request.uri.path, "/live/")',
            },
        ],
    }


def test_outputs_and_settings_are_documented(station: Run) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    for name in (*station.outputs, *yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]):
        assert f"`{name}`" in page or f" {name} " in page or f"'{name}[0]'" in page, name


def test_secrets_stay_secret(station: Run, guarded: Run) -> None:
    for made in (station, guarded):
        assert {name for name, secret in made.secret.items() if secret} == SECRET


def test_the_bucket(station: Run) -> None:
    bucket = station.outputs["bucket"]
    assert station.one("R2Bucket").inputs == {"accountId": ACCOUNT, "name": bucket}
    assert station.one("R2CustomDomain").inputs == {
        "accountId": ACCOUNT,
        "bucketName": bucket,
        "zoneId": ZONE_ID,
        "domain": "tv-media.example.org",
        "enabled": True,
        "minTls": "1.2",
    }
    assert station.one("R2ManagedDomain").inputs["enabled"] is False
    (lifecycle,) = station.one("R2BucketLifecycle").inputs["rules"]
    assert lifecycle["conditions"] == {"prefix": "live/"}
    assert lifecycle["deleteObjectsTransition"] == {"condition": {"type": "Age", "maxAge": 86400}}


def test_the_pages_of_the_station_may_read_segments_by_ranges(station: Run) -> None:
    (rule,) = station.one("R2BucketCors").inputs["rules"]
    assert rule["allowed"] == {
        "methods": ["GET", "HEAD"],
        "origins": ["https://tv.example.org"],
        "headers": ["range"],
    }
    assert "Content-Range" in rule["exposeHeaders"]


def test_the_host(station: Run) -> None:
    host = station.one("Instance").inputs
    assert host["ami"] == "ami-0a1b2c3d"
    assert host["instanceType"] == "t4g.small"
    assert host["keyName"] == "key-1a2b3c4"
    assert host["iamInstanceProfile"] == "profile-1a2b3c4"
    assert host["vpcSecurityGroupIds"] == ["shoal-test-firewall-id"]
    (ami,) = [call for call in station.clouds.calls if call.token.endswith("getParameter")]
    assert ami.args["name"] == "/aws/service/debian/release/13/latest/arm64"
    assert station.one("RolePolicyAttachment").inputs == {
        "role": "role-1a2b3c4",
        "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    }
    address = station.one("Eip").inputs
    assert (address["domain"], address["instance"]) == ("vpc", "shoal-test-instance-id")


def test_a_newer_image_does_not_replace_the_host(station: Run) -> None:
    assert station.one("Instance").ignored == {"ami", "userData"}


def test_the_tunnel_gets_its_configuration_from_cloudflare(station: Run) -> None:
    tunnel = station.one("ZeroTrustTunnelCloudflared").inputs
    assert tunnel["configSrc"] == "cloudflare"
    assert "tunnelSecret" not in tunnel


def test_the_exact_ingress(station: Run) -> None:
    config = station.one("ZeroTrustTunnelCloudflaredConfig").inputs
    assert config["tunnelId"] == "shoal-test-tunnel-id"
    name = {"hostname": "tv.example.org"}
    assert config["config"]["ingresses"] == [
        {**name, "path": "^/ws(/|$)", "service": "http://localhost:8081"},
        {**name, "path": "^/live(/|$)", "service": "http://localhost:3000"},
        {**name, "path": "^/(hls|admin)(/|$)", "service": "http_status:403"},
        {**name, "service": "http://localhost:8000"},
        {"service": "http_status:404"},
    ]


def test_the_exact_ingress_with_access(guarded: Run) -> None:
    rules = guarded.one("ZeroTrustTunnelCloudflaredConfig").inputs["config"]["ingresses"]
    name, admin = {"hostname": "tv.example.org"}, {"hostname": "tv-admin.example.org"}
    token = {"access": {"required": True, "teamName": "team", "audTags": ["aud-tag"]}}
    owncast = {"service": "http://localhost:8080", "originRequest": token}
    assert rules == [
        {**name, "path": "^/ws(/|$)", "service": "http://localhost:8081"},
        {**name, "path": "^/live(/|$)", "service": "http://localhost:3000"},
        {**name, "path": "^/(hls|admin)(/|$)", **owncast},
        {**name, "service": "http://localhost:8000"},
        {**admin, **owncast},
        {"service": "http_status:404"},
    ]


def test_the_operators_environment_does_not_reach_the_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOAL_BROADCASTER_URL", "http://localhost:40001")
    rules = run().one("ZeroTrustTunnelCloudflaredConfig").inputs["config"]["ingresses"]
    assert rules[1]["service"] == "http://localhost:3000"


def test_who_is_let_in_by_access(guarded: Run) -> None:
    policy = guarded.one("ZeroTrustAccessPolicy")
    assert policy.inputs["decision"] == "allow"
    assert policy.inputs["includes"] == [
        {"email": {"email": "op@example.org"}},
        {"emailDomain": {"domain": "example.net"}},
    ]
    application = guarded.one("ZeroTrustAccessApplication").inputs
    assert [each["uri"] for each in application["destinations"]] == [
        "tv-admin.example.org",
        "tv.example.org/hls",
        "tv.example.org/admin",
    ]
    assert application["policies"] == [{"id": f"{policy.name}-id", "precedence": 1}]
    assert guarded.outputs["adminHostname"] == "tv-admin.example.org"


def test_hostnames_lead_into_the_tunnel_and_are_created_last(station: Run, guarded: Run) -> None:
    assert {each.inputs["name"] for each in station.of("DnsRecord")} == {"tv.example.org"}
    assert {each.inputs["name"] for each in guarded.of("DnsRecord")} == {
        "tv.example.org",
        "tv-admin.example.org",
    }
    for record in guarded.of("DnsRecord"):
        assert record.inputs["content"] == "shoal-test-tunnel-id.cfargotunnel.com"
        assert (record.inputs["type"], record.inputs["proxied"]) == ("CNAME", True)
        before = guarded.ancestors_of(record)
        assert guarded.one("ZeroTrustTunnelCloudflaredConfig").urn in before
        assert guarded.one("ZeroTrustAccessApplication").urn in before


def test_dependencies(station: Run) -> None:
    def before(cls: str) -> set[str]:
        found = station.ancestors_of(station.one(cls))
        return {each.cls for each in station.made if each.urn in found}

    for cls in ("R2CustomDomain", "R2ManagedDomain", "R2BucketCors", "R2BucketLifecycle"):
        assert before(cls) == {"R2Bucket"}
    assert before("AccountToken") == {"R2Bucket"}
    assert before("Instance") == {"KeyPair", "SecurityGroup", "InstanceProfile", "Role"}
    assert "Instance" in before("Eip")
    assert before("ZeroTrustTunnelCloudflaredConfig") == {"ZeroTrustTunnelCloudflared"}


def test_the_edge_obeys_the_headers_and_caches_nothing_without_them(station: Run) -> None:
    ruleset = station.one("Ruleset").inputs
    assert (ruleset["kind"], ruleset["zoneId"]) == ("zone", ZONE_ID)
    assert ruleset["phase"] == "http_request_cache_settings"
    assert [rule["ref"] for rule in ruleset["rules"]] == ["shoal_segments", "shoal_playlists"]
    for rule in ruleset["rules"]:
        assert rule["action"] == "set_cache_settings"
        assert rule["actionParameters"] == {
            "cache": True,
            "edgeTtl": {"mode": "bypass_by_default"},
            "browserTtl": {"mode": "respect_origin"},
        }


def test_a_preview_declares_the_same(station: Run) -> None:
    preview = run(preview=True)
    assert {each.urn for each in preview.resources} == {each.urn for each in station.resources}


def test_two_stations_in_one_account_have_different_names(station: Run) -> None:
    other = run({"shoal:hostname": "radio.example.org"}, stack="second")

    def names(made: Run) -> set[Any]:
        found = {made.outputs["bucket"], made.outputs["mediaUrl"], made.outputs["hostname"]}
        found |= {each.inputs.get("name") for each in made.made} - {None}
        return found | {each.name for each in made.made}

    assert not names(station) & names(other)
    tags: dict[str, str] = other.one("Instance").inputs["tags"]
    assert (tags["shoal:stack"], tags["shoal:station"]) == ("second", "radio.example.org")


def test_stacks_whose_names_read_alike_differ() -> None:
    one = run({"shoal:hostname": "c.example.org"}, stack="a-b")
    other = run({"shoal:hostname": "b-c.example.org"}, stack="a")
    assert one.outputs["bucket"] != other.outputs["bucket"]


def test_a_new_hostname_keeps_the_host(station: Run) -> None:
    renamed = run({"shoal:hostname": "new.example.org"})
    assert renamed.one("Instance").urn == station.one("Instance").urn
    same = dict(renamed.one("Instance").inputs, tags=None, rootBlockDevice=None)
    assert same == dict(station.one("Instance").inputs, tags=None, rootBlockDevice=None)


def test_the_token_opens_one_bucket(station: Run) -> None:
    (policy,) = station.one("AccountToken").inputs["policies"]
    scope = f"com.cloudflare.edge.r2.bucket.{ACCOUNT}_default_{station.outputs['bucket']}"
    assert json.loads(policy["resources"]) == {scope: "*"}

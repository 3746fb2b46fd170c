"""Rules that hold for everything the program declares, with every switch."""

import inspect
from typing import Any

import pulumi_aws as aws
import pytest

from shoal_infra.storage import ITEM_WRITE
from tests.infra.harness import SSH_KEY, TOKEN_VALUE, TUNNEL_TOKEN, Resource, Run, run

CONFIGURATIONS: dict[str, dict[str, object]] = {
    "defaults": {},
    "everything on": {
        "shoal:accessEmails": ["op@example.org"],
        "shoal:accessTeam": "team",
        "shoal:torrentPort": 6881,
        "shoal:manageCloudConnector": True,
        "shoal:embedOrigins": ["*"],
        "shoal:image": "ubuntu-24.04",
        "shoal:instanceType": "t3.small",
    },
    "existing host": {
        "shoal:existingInstanceIp": "203.0.113.99",
        "shoal:sshHostKeys": [SSH_KEY],
        "shoal:sshUser": "deploy",
        "aws:region": None,
    },
}
OPENED = {"198.51.100.4/32": {1935}, "198.51.100.0/24": {22}, "0.0.0.0/0": {6881}}
SECRETS = (TOKEN_VALUE, TUNNEL_TOKEN)
TAGGED = {
    "Instance": aws.ec2.Instance,
    "Eip": aws.ec2.Eip,
    "KeyPair": aws.ec2.KeyPair,
    "SecurityGroup": aws.ec2.SecurityGroup,
    "SecurityGroupIngressRule": aws.vpc.SecurityGroupIngressRule,
    "SecurityGroupEgressRule": aws.vpc.SecurityGroupEgressRule,
    "Role": aws.iam.Role,
    "InstanceProfile": aws.iam.InstanceProfile,
    "RolePolicyAttachment": aws.iam.RolePolicyAttachment,
}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def made(request: pytest.FixtureRequest) -> Run:
    return run(CONFIGURATIONS[request.param])


def aws_resources(made: Run) -> list[Resource]:
    return [each for each in made.resources if each.typ.startswith("aws:")]


def test_only_what_is_configured_is_let_in(made: Run) -> None:
    for rule in made.of("SecurityGroupIngressRule"):
        assert rule.inputs["fromPort"] == rule.inputs["toPort"]
        assert rule.inputs["fromPort"] in OPENED[rule.inputs["cidrIpv4"]]
    for group in made.of("SecurityGroup"):
        assert not {"ingress", "egress"} & group.inputs.keys()  # they would conflict with the rules


def test_no_web_port_is_open(made: Run) -> None:
    ports = {rule.inputs["fromPort"] for rule in made.of("SecurityGroupIngressRule")}
    assert not ports & {80, 443, 3000, 8000, 8080, 8081}


def test_disks_are_encrypted(made: Run) -> None:
    for instance in made.of("Instance"):
        assert instance.inputs["rootBlockDevice"]["encrypted"] is True


def test_instance_metadata_needs_a_token_and_never_leaves_the_host(made: Run) -> None:
    for instance in made.of("Instance"):
        assert instance.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }


def test_the_bucket_cannot_be_listed_and_requires_tls(made: Run) -> None:
    assert made.one("R2ManagedDomain").inputs["enabled"] is False
    assert made.one("R2CustomDomain").inputs["minTls"] == "1.2"
    for cors in made.of("R2BucketCors"):
        for rule in cors.inputs["rules"]:
            assert set(rule["allowed"]["methods"]) <= {"GET", "HEAD"}


def test_a_token_has_one_policy_for_one_bucket(made: Run) -> None:
    for token in made.of("AccountToken"):
        (policy,) = token.inputs["policies"]
        assert policy["effect"] == "allow"
        assert policy["permissionGroups"] == [{"id": ITEM_WRITE}]
        assert policy["resources"].count('": "*"') == 1


def test_the_role_allows_one_thing(made: Run) -> None:
    names = {each.inputs["policyArn"] for each in made.of("RolePolicyAttachment")}
    assert names <= {"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}
    assert not made.of("RolePolicy")
    for role in made.of("Role"):
        assert "inlinePolicies" not in role.inputs


def test_no_secret_reaches_a_resource_or_user_data(made: Run) -> None:
    for resource in made.resources:
        for secret in SECRETS:
            assert secret not in resource.raw, resource.name


def test_no_secret_in_plain_outputs(made: Run) -> None:
    secrets = {made.outputs[name] for name, secret in made.secret.items() if secret}
    assert len(secrets) == 3
    plain = str({key: value for key, value in made.outputs.items() if not made.secret[key]})
    for secret in (*SECRETS, *secrets):
        assert secret not in plain


def test_user_data_contains_nothing_about_the_station(made: Run) -> None:
    for instance in made.of("Instance"):
        data: str = instance.inputs.get("userData", "")
        assert "example.org" not in data
        assert len(data) < 1000


def test_everything_that_can_have_tags_has_them(made: Run) -> None:
    for resource in aws_resources(made):
        parameters: Any = inspect.signature(TAGGED[resource.cls]._internal_init).parameters
        if "tags" in parameters:
            tags = resource.inputs["tags"]
            assert tags["shoal:stack"] == "test", resource.name
            assert tags["shoal:station"] == "tv.example.org"
            assert tags["Name"]
    for instance in made.of("Instance"):
        assert instance.inputs["rootBlockDevice"]["tags"]["shoal:stack"] == "test"


def test_what_leads_to_owncast_is_behind_access(made: Run) -> None:
    for rule in made.one("ZeroTrustTunnelCloudflaredConfig").inputs["config"]["ingresses"]:
        guarded = "originRequest" in rule and rule["originRequest"]["access"]["required"]
        assert guarded == (rule["service"] == "http://localhost:8080")


def test_names_are_proxied(made: Run) -> None:
    for record in made.of("DnsRecord"):
        assert record.inputs["proxied"] is True
        assert "203.0.113" not in record.inputs["content"]  # the host's address stays hidden

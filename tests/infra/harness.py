"""Runs the Pulumi program without its engine and without a network.

`Clouds` stands in for AWS and Cloudflare: it gives resources IDs and the fields that only a cloud
knows, and answers lookups. It does not know what the clouds would refuse.
"""

import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import get_root_resource, set_root_resource

INFRA = Path(__file__).parents[2] / "infra"
ACCOUNT = "0123456789abcdef0123456789abcdef"
ZONE_ID = "fedcba9876543210fedcba9876543210"
SSH_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f op@example"
)
TOKEN_VALUE = "the value of the bucket's token"
TUNNEL_TOKEN = "the tunnel's token"
PUBLIC_IP = "203.0.113.7"

BASE: Mapping[str, object] = {
    "shoal:hostname": "tv.example.org",
    "shoal:zone": "example.org",
    "shoal:cloudflareAccountId": ACCOUNT,
    "shoal:rtmpAllowedCidrs": ["198.51.100.4/32"],
    "shoal:sshAllowedCidrs": ["198.51.100.0/24"],
    "shoal:sshPublicKey": SSH_KEY,
    "aws:region": "eu-central-1",
}
ZONE: Mapping[str, object] = {
    "id": ZONE_ID,
    "zoneId": ZONE_ID,
    "name": "example.org",
    "type": "full",
    "status": "active",
    "paused": False,
    "account": {"id": ACCOUNT, "name": "us"},
}
COMPUTED: Mapping[str, Mapping[str, object]] = {
    "cloudflare:index/accountToken:AccountToken": {"value": TOKEN_VALUE},
    "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication": {"aud": "aud-tag"},
    "aws:ec2/eip:Eip": {"publicIp": PUBLIC_IP},
    "aws:ec2/keyPair:KeyPair": {"keyName": "key-1a2b3c4"},
    "aws:iam/role:Role": {"name": "role-1a2b3c4"},
    "aws:iam/instanceProfile:InstanceProfile": {"name": "profile-1a2b3c4"},
}


@dataclass(frozen=True)
class Resource:
    """One registered resource."""

    typ: str
    name: str
    inputs: dict[str, Any]
    urn: str
    parent: str
    dependencies: frozenset[str]
    """URNs, including those of its inputs"""
    ignored: frozenset[str]
    raw: str
    """all of the request's inputs, secrets included, as text"""

    @property
    def cls(self) -> str:
        """The last part of the type."""
        return self.typ.rpartition(":")[2]


class Clouds(pulumi.runtime.Mocks):
    """AWS and Cloudflare, as far as a program sees them."""

    def __init__(self, zone: Mapping[str, object] | None, *, has_network: bool) -> None:
        self.calls: list[pulumi.runtime.MockCallArgs] = []
        self._zone = zone
        self._has_network = has_network

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        return f"{args.name}-id", {**args.inputs, **COMPUTED.get(args.typ, {})}

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        self.calls.append(args)
        match args.token.rpartition("/")[2].partition(":")[2]:
            case "getZone":
                if self._zone is None:
                    return {}, [("filter", "0 zones found")]
                return dict(self._zone)
            case "getVpc":
                if not self._has_network:
                    return {}, [("default", "no matching EC2 VPC found")]
                return {"id": "vpc-1", "default": True}
            case "getParameter":
                return {"id": "p", "name": args.args["name"], "value": "ami-0a1b2c3d"}
            case "getZeroTrustTunnelCloudflaredToken":
                return {"token": TUNNEL_TOKEN, **args.args}
        raise AssertionError(f"unexpected lookup: {args.token}")


class _Monitor(mocks.MockMonitor):
    """Records each request to register a resource, as the engine would see it."""

    def __init__(self, clouds: Clouds) -> None:
        super().__init__(clouds)
        self.registered: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.registered.append(
                Resource(
                    typ=request.type,
                    name=request.name,
                    inputs=rpc.deserialize_properties(request.object),
                    urn=response.urn,
                    parent=request.parent,
                    dependencies=frozenset(request.dependencies),
                    ignored=frozenset(request.ignoreChanges),
                    raw=str(request.object),
                )
            )
        return response


@dataclass
class Run:
    """What a program declared."""

    resources: list[Resource]
    clouds: Clouds
    outputs: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, bool] = field(default_factory=dict)

    def of(self, cls: str) -> list[Resource]:
        """Return the resources of a class."""
        return [resource for resource in self.resources if resource.cls == cls]

    def one(self, cls: str) -> Resource:
        """Return the only resource of a class."""
        (found,) = self.of(cls)
        return found

    @property
    def made(self) -> list[Resource]:
        """Every resource that is not a component."""
        return [resource for resource in self.resources if not resource.typ.startswith("shoal:")]

    def ancestors_of(self, resource: Resource) -> set[str]:
        """Return the URNs of everything that must exist before a resource."""
        by_urn = {each.urn: each for each in self.resources}
        found: set[str] = set()
        waiting = list(resource.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn not in found and urn in by_urn:
                found.add(urn)
                waiting += by_urn[urn].dependencies
        return found


def the_program() -> None:
    """Run infra/__main__.py as Pulumi's language host does."""
    runpy.run_path(str(INFRA), run_name="__main__")


def run(
    changes: Mapping[str, object] | None = None,
    *,
    stack: str = "test",
    zone: Mapping[str, object] | None = ZONE,
    has_network: bool = True,
    preview: bool = False,
    program: Callable[[], None] = the_program,
) -> Run:
    """Return what the program declares with BASE and changes; None removes a setting.

    Raises what the program raises.
    """
    config = {key: value for key, value in {**BASE, **(changes or {})}.items() if value is not None}
    clouds = Clouds(zone, has_network=has_network)
    monitor = _Monitor(clouds)
    result = Run(monitor.registered, clouds)
    set_root_resource(cast(Any, None))  # a new one is created below
    pulumi.runtime.set_mocks(clouds, project="shoal", stack=stack, preview=preview, monitor=monitor)
    serialized = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    pulumi.runtime.set_all_config(serialized)

    @pulumi.runtime.test
    def declare() -> pulumi.Output[Any]:
        program()
        root: Any = get_root_resource()
        outputs = {key: pulumi.Output.from_input(value) for key, value in root.outputs.items()}
        secret = {key: output.is_secret() for key, output in outputs.items()}
        return pulumi.Output.all(
            pulumi.Output.all(**outputs).apply(result.outputs.update),
            pulumi.Output.all(**secret).apply(result.secret.update),
        )

    declare()
    return result

"""OriginHost: the EC2 instance that runs Owncast and the services, and its network access."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shoal_infra.checks import Architecture, architecture_of
from shoal_infra.config import NewHost
from shoal_infra.images import IMAGES, user_data

RTMP_PORT = 1935
SSH_PORT = 22
EVERYWHERE = "0.0.0.0/0"

_ASSUME_BY_EC2 = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
  ]
}"""
SSM_POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@dataclass(frozen=True)
class OriginHostArgs:
    """Parameters of the host."""

    host: NewHost
    rtmp_cidrs: tuple[str, ...]
    ssh_cidrs: tuple[str, ...]
    torrent_port: int
    """0: none"""
    tags: dict[str, str]


@dataclass(frozen=True)
class _OpenPort:
    """One port that is open to one network."""

    what: str
    protocol: str
    port: int
    cidr: str

    @property
    def name(self) -> str:
        """The name of the resource: Pulumi's names must not contain a double colon."""
        network = self.cidr.replace(":", "-").replace("/", "-")
        return f"{self.what}-{self.protocol}-{network}"


class OriginHost(pulumi.ComponentResource):
    """The instance, in the default network of its region.

    Only RTMP and ssh from the configured networks are let in, and torrents if they have a port: web
    traffic arrives through the tunnel, which the host opens from inside.
    """

    public_ip: pulumi.Output[str]
    instance_id: pulumi.Output[str]
    user: str
    architecture: Architecture

    def __init__(
        self, name: str, args: OriginHostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("shoal:aws:OriginHost", name, {}, opts)
        image = IMAGES[args.host.image]
        self.user = image.user
        self.architecture = architecture_of(args.host.instance_type)
        child = pulumi.ResourceOptions(parent=self)
        ami = aws.ssm.get_parameter_output(
            name=image.parameter.format(architecture=self.architecture),
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        instance = aws.ec2.Instance(
            f"{name}-instance",
            ami=ami.value,
            instance_type=args.host.instance_type,
            key_name=_key(name, args, child).key_name,
            vpc_security_group_ids=[_firewall(name, args, child).id],
            iam_instance_profile=_profile(name, args, child).name,
            user_data=user_data(image, args.host.region, self.architecture),
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                encrypted=True,
                volume_type="gp3",
                volume_size=args.host.volume_gb,
                delete_on_termination=True,
                tags=args.tags,
            ),
            tags=args.tags,
            # a newer image, or other user data, must not replace the host of a running station
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ami", "userData"]),
        )
        address = aws.ec2.Eip(
            f"{name}-address", domain="vpc", instance=instance.id, tags=args.tags, opts=child
        )
        self.public_ip = address.public_ip
        self.instance_id = instance.id
        self.register_outputs({"publicIp": self.public_ip, "instanceId": self.instance_id})


def _key(name: str, args: OriginHostArgs, opts: pulumi.ResourceOptions) -> aws.ec2.KeyPair:
    return aws.ec2.KeyPair(
        f"{name}-key", public_key=args.host.ssh_public_key, tags=args.tags, opts=opts
    )


def _profile(
    name: str, args: OriginHostArgs, opts: pulumi.ResourceOptions
) -> aws.iam.InstanceProfile:
    """Return a profile whose role allows access by AWS Systems Manager, and nothing else."""
    role = aws.iam.Role(
        f"{name}-role", assume_role_policy=_ASSUME_BY_EC2, tags=args.tags, opts=opts
    )
    aws.iam.RolePolicyAttachment(
        f"{name}-role-ssm", role=role.name, policy_arn=SSM_POLICY, opts=opts
    )
    return aws.iam.InstanceProfile(f"{name}-profile", role=role.name, tags=args.tags, opts=opts)


def _firewall(
    name: str, args: OriginHostArgs, opts: pulumi.ResourceOptions
) -> aws.ec2.SecurityGroup:
    group = aws.ec2.SecurityGroup(
        f"{name}-firewall",
        description="Shoal: RTMP and ssh from configured networks, everything outwards",
        tags=args.tags,
        opts=opts,
    )
    for port in _open_ports(args):
        v6 = ":" in port.cidr
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{port.name}",
            security_group_id=group.id,
            description=port.what,
            ip_protocol=port.protocol,
            from_port=port.port,
            to_port=port.port,
            cidr_ipv4=None if v6 else port.cidr,
            cidr_ipv6=port.cidr if v6 else None,
            tags=args.tags,
            opts=opts,
        )
    # the tunnel, R2, STUN, viewers of the torrent seed, package mirrors: no list is ever complete
    aws.vpc.SecurityGroupEgressRule(
        f"{name}-outwards",
        security_group_id=group.id,
        description="everything outwards",
        ip_protocol="-1",
        cidr_ipv4=EVERYWHERE,
        tags=args.tags,
        opts=opts,
    )
    return group


def _open_ports(args: OriginHostArgs) -> list[_OpenPort]:
    ports = [_OpenPort("rtmp", "tcp", RTMP_PORT, cidr) for cidr in args.rtmp_cidrs]
    ports += [_OpenPort("ssh", "tcp", SSH_PORT, cidr) for cidr in args.ssh_cidrs]
    if args.torrent_port:
        ports += [
            _OpenPort("torrents", protocol, args.torrent_port, EVERYWHERE)
            for protocol in ("tcp", "udp")
        ]
    return ports

"""PublicEdge: the tunnel with every route, DNS, cache rules and Access."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare

from shoal.config.settings import StationSettings
from shoal.ingress import Rule, addresses_of, ingress_rules
from shoal.routes import HostRole, routes
from shoal_infra.access import protect
from shoal_infra.caching import cache_rules, connector_rule, ruleset_rule
from shoal_infra.config import Access

AUTOMATIC_TTL = 1


@dataclass(frozen=True)
class PublicEdgeArgs:
    """Parameters of the edge."""

    account_id: str
    zone_id: str
    title: str
    """name of tunnel, Access application and rule lists"""
    hostname: str
    media_hostname: str
    connected_bucket: pulumi.Input[str]
    """the media hostname, once the bucket is behind it: until then Cloud Connector refuses it"""
    access: Access | None
    manage_cache_rules: bool
    manage_cloud_connector: bool


class PublicEdge(pulumi.ComponentResource):
    """Everything between a viewer and the host's loopback ports."""

    tunnel_id: pulumi.Output[str]
    tunnel_token: pulumi.Output[str]
    """secret"""

    def __init__(
        self, name: str, args: PublicEdgeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("shoal:cloudflare:PublicEdge", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # the provider's default is "local": such a tunnel would never get the routes below
        tunnel = cloudflare.ZeroTrustTunnelCloudflared(
            f"{name}-tunnel",
            account_id=args.account_id,
            name=args.title,
            config_src="cloudflare",
            opts=child,
        )
        application = (
            protect(
                name,
                args.access,
                account_id=args.account_id,
                hostname=args.hostname,
                title=args.title,
                opts=child,
            )
            if args.access
            else None
        )
        tunnel_config = cloudflare.ZeroTrustTunnelCloudflaredConfig(
            f"{name}-routes",
            account_id=args.account_id,
            tunnel_id=tunnel.id,
            config=cloudflare.ZeroTrustTunnelCloudflaredConfigConfigArgs(
                ingresses=_ingresses(args, application)
            ),
            opts=child,
        )
        # DNS records appear once the tunnel has its routes and Access protects them
        ready = pulumi.ResourceOptions(
            parent=self, depends_on=[tunnel_config, *([application] if application else [])]
        )
        for role, hostname in _hostnames(args).items():
            cloudflare.DnsRecord(
                f"{name}-dns-{role}",
                zone_id=args.zone_id,
                name=hostname,
                type="CNAME",
                content=pulumi.Output.concat(tunnel.id, ".cfargotunnel.com"),
                proxied=True,
                ttl=AUTOMATIC_TTL,
                comment=f"Shoal: tunnel {args.title}",
                opts=ready,
            )
        _zone_rules(name, args, child)
        token = cloudflare.get_zero_trust_tunnel_cloudflared_token_output(
            account_id=args.account_id,
            tunnel_id=tunnel.id,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self.tunnel_id = tunnel.id
        self.tunnel_token = pulumi.Output.secret(token.token)
        self.register_outputs({"tunnelId": self.tunnel_id, "tunnelToken": self.tunnel_token})


def _hostnames(args: PublicEdgeArgs) -> dict[HostRole, str]:
    """Return the hostnames that lead into the tunnel."""
    admin: dict[HostRole, str] = {"admin": args.access.admin_hostname} if args.access else {}
    return {"station": args.hostname, **admin}


def _production_rules(args: PublicEdgeArgs) -> Sequence[Rule]:
    """Return the ingress rules of production, whatever the environment of the Pulumi run sets."""
    return ingress_rules(
        routes(access=args.access is not None),
        _hostnames(args),
        addresses_of(StationSettings.model_construct()),
    )


def _ingresses(
    args: PublicEdgeArgs, application: cloudflare.ZeroTrustAccessApplication | None
) -> list[cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressArgs]:
    return [
        cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressArgs(
            hostname=rule.hostname,
            path=rule.path,
            service=rule.target,
            origin_request=_require_access(args, application)
            if rule.service == "owncast"
            else None,
        )
        for rule in _production_rules(args)
    ]


def _require_access(
    args: PublicEdgeArgs, application: cloudflare.ZeroTrustAccessApplication | None
) -> cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestArgs:
    """Make cloudflared itself verify Access's signed token, in case a request gets around Access.

    cloudflared applies this per rule only, not to the tunnel as a whole.
    """
    if args.access is None or application is None:
        raise ValueError("Owncast must not be routed to without Access")
    return cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestArgs(
        access=cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestAccessArgs(
            required=True, team_name=args.access.team, aud_tags=[application.aud]
        )
    )


def _zone_rules(name: str, args: PublicEdgeArgs, opts: pulumi.ResourceOptions) -> None:
    """Set the rule lists of which a zone has only one."""
    if args.manage_cache_rules:
        cloudflare.Ruleset(
            f"{name}-cache-rules",
            zone_id=args.zone_id,
            kind="zone",
            phase="http_request_cache_settings",
            name=args.title,
            rules=[ruleset_rule(rule) for rule in cache_rules(args.hostname, args.media_hostname)],
            opts=opts,
        )
    if args.manage_cloud_connector:
        cloudflare.CloudConnectorRules(
            f"{name}-cloud-connector",
            zone_id=args.zone_id,
            rules=[connector_rule(args.hostname, args.connected_bucket)],
            opts=opts,
        )

"""PublicEdge: the tunnel with every route, DNS, cache rules and Access."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare

from shoal.config.settings import StationSettings
from shoal.ingress import Rule, addresses_of, ingress
from shoal.routes import HostRole, routes
from shoal_infra.access import guard
from shoal_infra.caching import cache_rules, connector_rule, ruleset_rule
from shoal_infra.config import Access

AUTOMATIC_TTL = 1


@dataclass(frozen=True)
class PublicEdgeArgs:
    """What the edge is made from."""

    account_id: str
    zone_id: str
    title: str
    """name of tunnel, Access application and rule lists"""
    hostname: str
    media_hostname: str
    connected_bucket: pulumi.Input[str]
    """the media hostname, once there is a bucket behind it: Cloud Connector refuses it before"""
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
        # the provider's default is "local": such a tunnel would never hear of the routes below
        tunnel = cloudflare.ZeroTrustTunnelCloudflared(
            f"{name}-tunnel",
            account_id=args.account_id,
            name=args.title,
            config_src="cloudflare",
            opts=child,
        )
        application = (
            guard(
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
        configured = cloudflare.ZeroTrustTunnelCloudflaredConfig(
            f"{name}-routes",
            account_id=args.account_id,
            tunnel_id=tunnel.id,
            config=cloudflare.ZeroTrustTunnelCloudflaredConfigConfigArgs(
                ingresses=_ingresses(args, application)
            ),
            opts=child,
        )
        # names appear when the tunnel knows its routes and Access stands in front of them
        ready = pulumi.ResourceOptions(
            parent=self, depends_on=[configured, *([application] if application else [])]
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


def ingress_rules(args: PublicEdgeArgs) -> Sequence[Rule]:
    """Return the route table for production: the environment of who runs Pulumi is left out."""
    return ingress(
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
            origin_request=_only_through_access(args, application)
            if rule.service == "owncast"
            else None,
        )
        for rule in ingress_rules(args)
    ]


def _only_through_access(
    args: PublicEdgeArgs, application: cloudflare.ZeroTrustAccessApplication | None
) -> cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestArgs:
    """Have cloudflared itself ask for Access' signed token, should a request find a way around it.

    cloudflared heeds this at single rules only, not at the tunnel as a whole.
    """
    if args.access is None or application is None:
        raise ValueError("Owncast must not be routed to without Access")
    return cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestArgs(
        access=cloudflare.ZeroTrustTunnelCloudflaredConfigConfigIngressOriginRequestAccessArgs(
            required=True, team_name=args.access.team, aud_tags=[application.aud]
        )
    )


def _zone_rules(name: str, args: PublicEdgeArgs, opts: pulumi.ResourceOptions) -> None:
    """Set the lists that a zone has one of."""
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

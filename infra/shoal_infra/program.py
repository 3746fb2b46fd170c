"""The station: its three components, and the outputs that Ansible and people need."""

from dataclasses import dataclass

import pulumi

from shoal_infra import naming
from shoal_infra.accounts import check_network, find_zone, warn_of_replaced_rules
from shoal_infra.caching import cache_rules
from shoal_infra.config import ExistingHost, NewHost, StationConfig
from shoal_infra.edge import PublicEdge, PublicEdgeArgs
from shoal_infra.origin import OriginHost, OriginHostArgs
from shoal_infra.storage import SegmentStore, SegmentStoreArgs


@dataclass(frozen=True)
class _Host:
    """A host, new or existing."""

    public_ip: pulumi.Input[str]
    instance_id: pulumi.Input[str]
    region: str
    user: str
    architecture: str


def build(config: StationConfig) -> None:
    """Declare all resources, and export the outputs that docs/deploy.md lists."""
    zone = find_zone(config.zone, config.account_id)
    if isinstance(config.host, NewHost):
        check_network(config.host.region)
    if config.manage_cloud_connector:
        warn_of_replaced_rules(config.zone)
    name = naming.logical_name(config.stack)
    store = SegmentStore(
        name,
        SegmentStoreArgs(
            account_id=config.account_id,
            zone_id=zone.id,
            bucket=config.bucket,
            hostname=config.media_hostname,
            origins=(f"https://{config.hostname}", *config.embed_origins),
            manage_rules=config.manage_bucket_rules,
        ),
    )
    edge = PublicEdge(
        name,
        PublicEdgeArgs(
            account_id=config.account_id,
            zone_id=zone.id,
            title=naming.station_name(config.stack, config.hostname),
            hostname=config.hostname,
            media_hostname=config.media_hostname,
            connected_bucket=store.media_hostname,
            access=config.access,
            manage_cache_rules=config.manage_cache_rules,
            manage_cloud_connector=config.manage_cloud_connector,
        ),
    )
    _export(config, _host(name, config), store, edge)


def _host(name: str, config: StationConfig) -> _Host:
    if isinstance(config.host, ExistingHost):
        return _Host(config.host.ip, "", "", config.ssh_user, config.host.architecture)
    new = OriginHost(
        name,
        OriginHostArgs(
            host=config.host,
            rtmp_cidrs=config.rtmp_cidrs,
            ssh_cidrs=config.ssh_cidrs,
            torrent_port=config.torrent_port,
            tags=naming.tags(config.stack, config.hostname),
        ),
    )
    return _Host(
        public_ip=new.public_ip,
        instance_id=new.instance_id,
        region=config.host.region,
        user=config.ssh_user or new.user,
        architecture=new.architecture,
    )


def _export(config: StationConfig, host: _Host, store: SegmentStore, edge: PublicEdge) -> None:
    outputs: dict[str, pulumi.Input[object]] = {
        "hostname": config.hostname,
        "adminHostname": config.access.admin_hostname if config.access else "",
        "embedOrigins": list(config.embed_origins),
        "rtmpAllowedCidrs": list(config.rtmp_cidrs),
        "sshAllowedCidrs": list(config.ssh_cidrs),
        "torrentPort": config.torrent_port,
        "publicIp": host.public_ip,
        "instanceId": host.instance_id,
        "region": host.region,
        "architecture": host.architecture,
        "sshUser": host.user,
        "sshHostKeys": list(config.ssh_host_keys),
        "bucket": store.bucket_name,
        "mediaUrl": store.media_url,
        "s3Endpoint": store.s3_endpoint,
        "r2AccessKeyId": store.access_key_id,
        "r2SecretAccessKey": store.secret_access_key,
        "tunnelId": edge.tunnel_id,
        "tunnelToken": edge.tunnel_token,
        "cacheRules": [
            {"description": rule.description, "expression": rule.expression}
            for rule in cache_rules(config.hostname, config.media_hostname)
        ],
    }
    for key, value in outputs.items():
        pulumi.export(key, value)

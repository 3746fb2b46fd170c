"""Checks of the two cloud accounts, before anything is created."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_cloudflare as cloudflare

from shoal_infra.config import ConfigError


@dataclass(frozen=True)
class Zone:
    """A zone that can hold a station."""

    id: str


def find_zone(name: str, account_id: str) -> Zone:
    """Return the zone of a name. Raises ConfigError if it does not exist or cannot be used."""
    try:
        found = cloudflare.get_zone(
            filter=cloudflare.GetZoneFilterArgs(
                match="all",
                name=name,
                account=cloudflare.GetZoneFilterAccountArgs(id=account_id),
            )
        )
    except Exception as error:
        raise ConfigError(
            f"cannot find the zone {name} in Cloudflare account {account_id}: {error}\n"
            "Check that the account has this zone, and that the API token (pulumi config set"
            " --secret cloudflare:apiToken, or CLOUDFLARE_API_TOKEN) may read it: Zone, Zone, Read"
        ) from error
    if found.type != "full":
        raise ConfigError(
            f"the zone {name} is of type {found.type}: R2's custom domains need a zone of type"
            " full, whose DNS Cloudflare hosts"
        )
    if found.status != "active" or found.paused:
        state = "paused" if found.paused else found.status
        raise ConfigError(
            f"the zone {name} is {state}: set Cloudflare's name servers at the domain's registrar,"
            " and resume the zone if it is paused"
        )
    return Zone(found.id)


def check_network(region: str) -> None:
    """Check that AWS answers and that the region has a default network for the host.

    Raises ConfigError if not.
    """
    try:
        aws.ec2.get_vpc(default=True)
    except Exception as error:
        raise ConfigError(
            f"cannot find a default VPC in the AWS region {region}: {error}\n"
            "Check the AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID). If only the network is"
            f" missing, create it: aws ec2 create-default-vpc --region {region}"
        ) from error


def warn_of_replaced_rules(zone: str) -> None:
    """Warn at each run that Cloud Connector's switch replaces the zone's rules."""
    pulumi.log.warn(
        f"manageCloudConnector replaces all Cloud Connector rules of {zone} with the station's"
    )

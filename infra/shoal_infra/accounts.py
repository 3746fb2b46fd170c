"""A look at the two accounts before anything is made, so that their mistakes are found first."""

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
    """Return the zone of a name. Raises ConfigError when it is not there, or cannot be used."""
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
            f"Cloudflare shows no zone {name} in account {account_id}: {error}\n"
            "Does the account have it, and may the API token (pulumi config set --secret"
            " cloudflare:apiToken, or CLOUDFLARE_API_TOKEN) read it (Zone: Zone: Read)?"
        ) from error
    if found.type != "full":
        raise ConfigError(
            f"the zone {name} is of type {found.type}: R2's hostnames need one whose DNS is"
            " Cloudflare's (type full)"
        )
    if found.status != "active" or found.paused:
        state = "paused" if found.paused else found.status
        raise ConfigError(
            f"the zone {name} is {state}: its registrar must name Cloudflare's name servers, and"
            " the zone must not be paused"
        )
    return Zone(found.id)


def find_network(region: str) -> None:
    """Have AWS answer, and see that the region has a default network to put the host into."""
    try:
        aws.ec2.get_vpc(default=True)
    except Exception as error:
        raise ConfigError(
            f"AWS shows no default VPC in {region}: {error}\n"
            "Are there credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID)? If it is the network that is"
            f" missing: aws ec2 create-default-vpc --region {region}"
        ) from error


def warn_of_shared_lists(zone: str) -> None:
    """Say what Cloud Connector's switch does, each time that it is on."""
    pulumi.log.warn(
        f"manageCloudConnector replaces all Cloud Connector rules of {zone} with the station's"
    )

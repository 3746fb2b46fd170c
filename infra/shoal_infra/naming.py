"""Names of a stack's resources, from stack and hostname, so that stations can share an account."""

import hashlib
import re

PREFIX = "shoal"
MAX_NAME = 63  # R2's limit for buckets; tunnels, tokens and policies allow more
HASH_DIGITS = 6


def station_name(stack: str, hostname: str) -> str:
    """Return the name of a station's bucket, tunnel, token and policy.

    The hash tells apart names that read alike: `a-b` of `c.example.org`, and `a` of
    `b-c.example.org`.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", f"{PREFIX}-{stack}-{hostname}".lower()).strip("-")
    digest = hashlib.sha256(f"{stack}\n{hostname}".encode()).hexdigest()[:HASH_DIGITS]
    return f"{readable[: MAX_NAME - HASH_DIGITS - 1].rstrip('-')}-{digest}"


def logical_name(stack: str) -> str:
    """Return the prefix of resource names in Pulumi's state.

    AWS names are built from it and a random suffix. It does not contain the hostname: a station
    whose hostname changes keeps its host.
    """
    return f"{PREFIX}-{stack}"


def tags(stack: str, hostname: str) -> dict[str, str]:
    """Return the tags for every resource that can have tags."""
    return {"Name": station_name(stack, hostname), "shoal:stack": stack, "shoal:station": hostname}

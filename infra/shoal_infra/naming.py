"""Names of what a stack makes: from stack and hostname, so that stations share an account."""

import hashlib
import re

PREFIX = "shoal"
MAX_NAME = 63  # R2's for buckets; tunnels, tokens and policies take more
HASH_DIGITS = 6


def station_name(stack: str, hostname: str) -> str:
    """Return the name of a station's bucket, tunnel, token and policy.

    The hash keeps apart what reads alike: `a-b` of `c.example.org`, and `a` of `b.c.example.org`.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", f"{PREFIX}-{stack}-{hostname}".lower()).strip("-")
    digest = hashlib.sha256(f"{stack}\n{hostname}".encode()).hexdigest()[:HASH_DIGITS]
    return f"{readable[: MAX_NAME - HASH_DIGITS - 1].rstrip('-')}-{digest}"


def logical_name(stack: str) -> str:
    """Return what the resources are called in Pulumi's state.

    AWS' names are made of it and a random end. It leaves the hostname out: a station that changes
    its name keeps its host.
    """
    return f"{PREFIX}-{stack}"


def tags(stack: str, hostname: str) -> dict[str, str]:
    """Return the tags of everything that can have them."""
    return {"Name": station_name(stack, hostname), "shoal:stack": stack, "shoal:station": hostname}

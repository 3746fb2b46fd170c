"""Hostnames of a station: which names are valid, and how the other ones are derived from it."""

import re

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)+(?!\d+$){_LABEL}")


def parse_hostname(text: str) -> str:
    """Return `text` if DNS and cloudflared accept it as a hostname; raise ValueError if not."""
    if _HOSTNAME.fullmatch(text):
        return text
    raise ValueError(
        f"{text!r} is not a hostname: write it in lowercase, without scheme, port or path, such as"
        " tv.example.org (other alphabets in their xn-- form)"
    )


def in_zone(name: str, zone: str) -> bool:
    """Return whether a hostname is the zone's apex or below it."""
    return name == zone or name.endswith("." + zone)


def sibling_hostname(station: str, prefix: str, *, apex: bool) -> str:
    """Return a hostname beside the station's, covered by the same certificate.

    tv.example.org has tv-media.example.org; a station at its zone's apex has media.example.org.
    """
    if apex:
        return f"{prefix}.{station}"
    label, _, rest = station.partition(".")
    return f"{label}-{prefix}.{rest}"

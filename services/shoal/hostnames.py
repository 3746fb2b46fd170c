"""Hostnames of a station: what is one, and what the others are called beside the station's."""

import re

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)+(?!\d+$){_LABEL}")


def hostname(text: str) -> str:
    """Return `text` if it is a hostname as DNS and cloudflared want it, else raise ValueError."""
    if _HOSTNAME.fullmatch(text):
        return text
    raise ValueError(
        f"{text!r} is no hostname: write it in small letters, without scheme, port and path,"
        " as in tv.example.org (other alphabets in their xn-- form)"
    )


def in_zone(name: str, zone: str) -> bool:
    """Say whether a hostname is the zone's apex or lies below it."""
    return name == zone or name.endswith("." + zone)


def beside(station: str, what: str, *, apex: bool) -> str:
    """Return the name of the station's `what`, where the same certificate covers it.

    tv.example.org has tv-media.example.org; a station at its zone's apex has media.example.org.
    """
    if apex:
        return f"{what}.{station}"
    label, _, rest = station.partition(".")
    return f"{label}-{what}.{rest}"

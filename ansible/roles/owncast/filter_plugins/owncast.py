"""Converts the role's variables to the form that Owncast's admin API returns, to compare both."""

from collections.abc import Iterable, Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "name": "",
    "videoPassthrough": False,
    "audioPassthrough": False,
    "videoBitrate": 0,
    "audioBitrate": 0,
    "scaledWidth": 0,
    "scaledHeight": 0,
    "framerate": 24,
    "cpuUsageLevel": 2,
}
COMMENT = "set by Ansible"


def owncast_variants(variants: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return variants with all known keys, and with the values that Owncast derives."""
    return [_variant(variant) for variant in variants]


def _variant(given: Mapping[str, Any]) -> dict[str, Any]:
    variant = {name: given.get(name, default) for name, default in DEFAULTS.items()}
    variant["audioPassthrough"] = variant["audioPassthrough"] or variant["audioBitrate"] == 0
    if variant["videoPassthrough"]:
        variant["framerate"] = 0
    return variant


def owncast_stream_keys(keys: Iterable[str]) -> list[dict[str, str]]:
    """Return stream keys in the form of the API."""
    return [{"key": key, "comment": COMMENT} for key in keys]


class FilterModule:
    """Makes the filters available to Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "owncast_variants": owncast_variants,
            "owncast_stream_keys": owncast_stream_keys,
        }

"""Totals over viewers; those of another node can be added."""

from collections import Counter

import msgspec

from shoal.api_types import BytesBySource, ReplayTotals


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over all viewers since the start, and the current state of the present ones."""

    bytes: BytesBySource = BytesBySource()
    startup: BytesBySource = BytesBySource()
    uploaded: int = 0
    stalls: int = 0
    wanted: int = 0
    """bytes of every published segment, times the viewers that were on its variant"""
    recent: BytesBySource = BytesBySource()
    """`bytes` without `startup`, of the last two minutes or so in which there was somebody to share
    with"""
    viewers: int = 0
    """present viewers"""
    by_variant: dict[int, int] = msgspec.field(default_factory=dict[int, int], name="renditions")
    """how many of them are on each variant"""
    peers: int = 0
    """present viewers with at least one open link"""
    not_sharing: int = 0
    """present viewers that cannot or may not share"""
    latency_s: float | None = None
    """median of the present viewers that measure it"""
    with_latency: int = msgspec.field(default=0, name="timed")
    """present viewers that measure their latency"""
    replays: ReplayTotals = ReplayTotals()
    """viewers of replays; they count in none of the others"""

    def __add__(self, other: "Totals") -> "Totals":
        """Return the sums; the latency is the mean of both medians, weighted by viewers."""
        return Totals(
            bytes=self.bytes + other.bytes,
            startup=self.startup + other.startup,
            uploaded=self.uploaded + other.uploaded,
            stalls=self.stalls + other.stalls,
            wanted=self.wanted + other.wanted,
            recent=self.recent + other.recent,
            viewers=self.viewers + other.viewers,
            by_variant=dict(Counter(self.by_variant) + Counter(other.by_variant)),
            peers=self.peers + other.peers,
            not_sharing=self.not_sharing + other.not_sharing,
            latency_s=_mean_latency(self, other),
            with_latency=self.with_latency + other.with_latency,
            replays=self.replays + other.replays,
        )


def _mean_latency(one: Totals, other: Totals) -> float | None:
    if one.latency_s is None or other.latency_s is None:
        return other.latency_s if one.latency_s is None else one.latency_s
    weighed = one.latency_s * one.with_latency + other.latency_s * other.with_latency
    return weighed / (one.with_latency + other.with_latency)

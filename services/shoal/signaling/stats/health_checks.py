"""Finds problems with sharing, by viewers' stats. No I/O.

Times are seconds of a monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shoal.api_types import MIN_SHARE_BYTES, BytesBySource, share, share_limit
from shoal.problems import Problems
from shoal.signaling.stats.totals import Totals

MIN_VIEWERS_FOR_LINKS = 3
"""two viewers may simply be unable to reach each other"""
MIN_VIEWERS_FOR_SHARE = 5
"""with fewer, a single one that cannot share decides the share"""
REPORT_AFTER_S: Mapping[str, float] = {"no_links": 30.0, "share_low": 60.0, "broadcaster": 60.0}
"""links take up to 15 s; a broadcaster that restarts is back sooner"""


@dataclass(frozen=True)
class Observation:
    """What the checks see of a moment."""

    totals: Totals
    live: bool
    has_broadcaster: bool
    speaks_for_station: bool
    """whether this process speaks for the station: one of several does"""


class HealthChecks:
    """Reports and clears signaling's problems."""

    def __init__(self, problems: Problems, min_share: float, now: float) -> None:
        """Require `min_share` of what peers could carry at most; 0: no requirement."""
        self._problems = problems
        self._min_share = min_share
        self._since = {"broadcaster": now}

    def check(self, observed: Observation, now: float) -> None:
        """Report what is wrong, and clear what no longer is."""
        sharing_expected = observed.live and observed.speaks_for_station
        self._update("no_links", _no_links(observed.totals) if sharing_expected else None, now)
        self._update(
            "share_low",
            _share_low(observed.totals, self._min_share) if sharing_expected else None,
            now,
        )
        is_missing = observed.speaks_for_station and not observed.has_broadcaster
        self._update(
            "broadcaster",
            "no broadcaster is connected, so viewers get no new segments: check its log and /health"
            if is_missing
            else None,
            now,
        )

    def check_cluster(self, fault: str | None) -> None:
        """Report a lost connection to the other nodes, or clear it."""
        if fault is None:
            self._problems.clear("cluster")
        else:
            self._problems.report("cluster", fault, "degraded")

    def _update(self, code: str, message: str | None, now: float) -> None:
        if message is None:
            self._since.pop(code, None)
            self._problems.clear(code)
        elif now - self._since.setdefault(code, now) >= REPORT_AFTER_S[code]:
            self._problems.report(code, message, "degraded")


def _no_links(totals: Totals) -> str | None:
    if totals.viewers < MIN_VIEWERS_FOR_LINKS or totals.peers:
        return None
    return (
        f"{totals.viewers} viewers and not one link between them ({totals.not_sharing} cannot or"
        " may not share): all video comes from the store. Check a viewer's console, and"
        " whether its browser reaches the STUN server"
    )


def _share_low(totals: Totals, min_share: float) -> str | None:
    limit = share_limit(totals.viewers, totals.not_sharing)
    carried = share(totals.recent, BytesBySource())
    if (
        limit is None
        or carried is None
        or totals.viewers - totals.not_sharing < MIN_VIEWERS_FOR_SHARE
        or totals.recent.total < MIN_SHARE_BYTES
        or carried >= min_share * limit
    ):
        return None
    return (
        f"peers carried {carried:.0%} of the video in the last minutes and could carry"
        f" {limit:.0%}, with {totals.viewers} viewers: the dashboard shows who pushes to whom"
    )

"""Upload weights: how much of a segment each member uploads, by its measured uplink. No I/O.

All members upload the same where links allow it. A link too weak for that gets half, a quarter, or
nothing. Where all links together are too weak, everybody fetches part of every segment from the
store: a shortage then lowers the share of peers, and makes nobody late.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from shoal.signaling.rooms.plan import FULL_WEIGHT, ORIGIN_SHARE_UNITS

HEADROOM = 1.1
"""planned load times this must be within what a link can carry"""
SHORT_HEADROOM = 1.15
"""the same where links are too weak: pieces that are missing when most of a segment's time has
passed are fetched from the store, so the rest of the time is not planned for"""
ROUNDING_STEP = 1.1
"""measurements are rounded down to powers of this, so that plans do not change with each of them"""
UNMEASURED_FACTOR = 2.0
"""equal shares that an unmeasured link is assumed to carry: fast links are hardly ever measured"""
SIMILAR_FACTOR = 2.0
"""links within this factor of the median count as equal: a full link is shared by many channels,
whose losses make measurements of the same link vary that much"""
WEIGHTS = (FULL_WEIGHT, FULL_WEIGHT // 2, FULL_WEIGHT // 4)


@dataclass(frozen=True)
class UploadWeights:
    """The upload weights of some members."""

    weights: tuple[int, ...]
    """of each member, in quarters of a full share"""
    origin_share: int = 0
    """thirty-seconds of a segment that everybody fetches from the store"""


def upload_weights(
    uplinks: Sequence[float | None], receiver_count: int, rate: float
) -> UploadWeights:
    """Return upload weights for members that send each other a stream of `rate` bit/s.

    `uplinks` are those of the members that can own slices, bit/s, None if not measured: such a link
    was never the limit, and is assumed to carry twice an equal share. `receiver_count` counts all
    members that play the stream.
    """
    demand = rate * (receiver_count - 1) * HEADROOM
    if demand <= 0 or all(uplink is None for uplink in uplinks):
        return UploadWeights((FULL_WEIGHT,) * len(uplinks))
    enough = UNMEASURED_FACTOR * demand / len(uplinks)
    known = [
        enough if uplink is None else _round_down(uplink) for uplink in _average_similar(uplinks)
    ]
    # what a quarter carries; the smallest that is enough overloads nobody and lowers the fewest
    quarters = sorted({uplink / weight for uplink in known for weight in WEIGHTS})
    for quarter in quarters:
        weights = tuple(_weight(uplink, quarter) for uplink in known)
        if quarter * sum(weights) >= demand:
            return UploadWeights(weights)
    carried, quarter = max(
        (quarter * sum(_weight(uplink, quarter) for uplink in known), -quarter)
        for quarter in quarters
    )
    weights = tuple(_weight(uplink, -quarter) for uplink in known)
    carried_share = carried / (demand / HEADROOM * SHORT_HEADROOM)
    return UploadWeights(
        weights, min(ORIGIN_SHARE_UNITS, math.ceil((1 - carried_share) * ORIGIN_SHARE_UNITS))
    )


def _average_similar(uplinks: Sequence[float | None]) -> list[float | None]:
    """Return the measurements, with those around the median replaced by their mean."""
    middle = median(uplink for uplink in uplinks if uplink is not None)

    def is_alike(uplink: float | None) -> bool:
        return uplink is not None and middle / SIMILAR_FACTOR <= uplink <= middle * SIMILAR_FACTOR

    similar = [uplink for uplink in uplinks if uplink is not None and is_alike(uplink)]
    return [fmean(similar) if is_alike(uplink) else uplink for uplink in uplinks]


def _weight(uplink: float, quarter: float) -> int:
    """Return the highest weight that a link can carry."""
    return next((weight for weight in WEIGHTS if weight * quarter <= uplink * (1 + 1e-9)), 0)


def _round_down(uplink: float) -> float:
    """Return a measurement rounded down by a few percent."""
    return ROUNDING_STEP ** math.floor(math.log(max(uplink, 1.0), ROUNDING_STEP) + 1e-9)

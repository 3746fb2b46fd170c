"""How much of a segment members can carry for each other, by what their uplinks were measured at.

Everybody carries the same where links allow it. A link too weak for that gets half, a quarter, or
nothing, and where all of them together are too weak a part of every segment is left to the store,
for everybody alike: shortage then costs share, and makes nobody late. No I/O.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from shoal.signaling.rooms.plan import FULL_WEIGHT, ORIGIN_SHARE_UNITS

HEADROOM = 1.1
"""what is planned for a link, times this, is to be within what it can carry"""
SHORT_HEADROOM = 1.15
"""the same where links are too weak: what has not come when most of a segment's time has passed is
taken from the store by then, so the rest of the time is not to be planned for"""
ROUNDING_STEP = 1.1
"""measurements are rounded down to powers of this, so that plans do not change with every one"""
UNMEASURED_FACTOR = 2.0
"""equal shares that an unmeasured link is taken to carry: fast ones are hardly ever measured"""
SIMILAR_FACTOR = 2.0
"""links that were measured within this factor of the median are taken for equal: a full link is
shared by many channels whose losses make the measurement of one and the same link vary as much"""
WEIGHTS = (FULL_WEIGHT, FULL_WEIGHT // 2, FULL_WEIGHT // 4)


@dataclass(frozen=True)
class UploadWeights:
    """What members carry."""

    weights: tuple[int, ...]
    """of each member, in quarters of a full share"""
    origin_share: int = 0
    """thirty-seconds of a segment that everybody fetches from the store"""


def upload_weights(
    uplinks: Sequence[float | None], receiver_count: int, rate: float
) -> UploadWeights:
    """Share out a stream of `rate` bit/s among members that send it to each other.

    `uplinks` are those of the members that can own slices, bit/s, None where nothing was measured:
    such a link was never the limit, and is taken to carry twice an equal share. `receivers` are all
    members that play the stream.
    """
    demand = rate * (receiver_count - 1) * HEADROOM
    if demand <= 0 or all(uplink is None for uplink in uplinks):
        return UploadWeights((FULL_WEIGHT,) * len(uplinks))
    enough = UNMEASURED_FACTOR * demand / len(uplinks)
    known = [
        enough if uplink is None else _round_down(uplink) for uplink in _average_similar(uplinks)
    ]
    # a quarter carries so much; the least that does it overloads nobody and lowers the fewest
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
    """Return the measurements, those around their median replaced by their mean."""
    middle = median(uplink for uplink in uplinks if uplink is not None)

    def is_alike(uplink: float | None) -> bool:
        return uplink is not None and middle / SIMILAR_FACTOR <= uplink <= middle * SIMILAR_FACTOR

    similar = [uplink for uplink in uplinks if uplink is not None and is_alike(uplink)]
    return [fmean(similar) if is_alike(uplink) else uplink for uplink in uplinks]


def _weight(uplink: float, quarter: float) -> int:
    """Return the most quarters that a link can carry."""
    return next((weight for weight in WEIGHTS if weight * quarter <= uplink * (1 + 1e-9)), 0)


def _round_down(uplink: float) -> float:
    """Return a measurement without its last few percent."""
    return ROUNDING_STEP ** math.floor(math.log(max(uplink, 1.0), ROUNDING_STEP) + 1e-9)

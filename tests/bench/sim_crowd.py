"""The viewers of `make sim`: their uplinks, and when they join and leave. No I/O.

Uplinks follow published measurements of residential lines: half have at least 18.4 Mbit/s up (the
median that Ofcom measured in the United Kingdom, "UK home broadband performance", March 2023), and
94 % at least 3 (the FCC's "Internet Access Services", United States, June 2024, where the median is
20). Between these points and the ends, 2 and 50 Mbit/s, the logarithm rises evenly. The mean is
then 19.7; Ofcom's mean of November 2020, which has no upper end, is 21.6.
"""

import base64
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from shoal.signaling.rooms.messages import MemberId, RosterMessage
from tests.bench.sim_latency import TargetLatency
from tests.bench.sim_repair import ExpectedTime
from tests.bench.sim_uplink import Uplink

UPLINK_MBITS = ((0.0, 2.0), (0.06, 3.0), (0.5, 18.4), (1.0, 50.0))
"""(fraction of the viewers, uplink that they stay below)"""
RECEIVE_ONLY = 0.25
"""fraction of the viewers that upload nothing: phones, data saver, their own choice"""
MEAN_STAY_S = 600.0
"""a tenth of the viewers leaves each minute, however long they have watched"""
REPLACED_WITHIN_S = 1.0
"""time from a viewer's leaving to the next one's joining, at most"""
MEMBER_ID_BYTES = 9
SEGMENT_S = 5.0


@dataclass(slots=True, eq=False)
class Viewer:
    """One viewer. Times are seconds since the simulation began."""

    number: int
    """0, 1, 2, … in the order of joining"""
    id: MemberId
    uplink: Uplink
    upload: bool
    joins_at: float
    leaves_at: float
    playlist_delay_s: float
    """from a segment's announcement until the playlist that lists it is loaded: hls.js loads the
    playlist once a segment, in the rhythm in which it began"""
    roster: RosterMessage | None = None
    """the last one that it received"""
    member_ids: frozenset[MemberId] = frozenset()
    """the members in that roster"""
    first_members: frozenset[MemberId] = frozenset()
    """the other members in the first roster of this room"""
    links: set[MemberId] = field(default_factory=set[MemberId])
    """viewers to whom a link is open"""
    unreachable: set[MemberId] = field(default_factory=set[MemberId])
    """members to whom the last attempt failed"""
    reported_unreachable: set[MemberId] = field(default_factory=set[MemberId])
    reported_ready: bool = False
    started: bool = False
    """whether its start-up is over, so that newly announced segments count"""
    target_latency: TargetLatency = field(default_factory=lambda: TargetLatency(SEGMENT_S))
    expected: ExpectedTime = field(default_factory=ExpectedTime)


class Crowd:
    """Draws viewers; the same seed always gives the same ones."""

    def __init__(self, viewers: int, within_s: float, seed: int) -> None:
        """Draw `viewers` that join evenly within `within_s`; later their number stays the same."""
        self._viewers = viewers
        self._within_s = within_s
        self._random = random.Random(seed)
        self._drawn = 0

    def first(self) -> Iterator[Viewer]:
        """Yield the viewers that join at the beginning."""
        for number in range(self._viewers):
            yield self._draw(number * self._within_s / self._viewers)

    def replacement(self, viewer: Viewer) -> Viewer:
        """Return the viewer that joins after `viewer` has left."""
        return self._draw(viewer.leaves_at + self._random.uniform(0, REPLACED_WITHIN_S))

    def _draw(self, joins_at: float) -> Viewer:
        draw = self._random
        member = base64.urlsafe_b64encode(draw.randbytes(MEMBER_ID_BYTES)).decode()
        viewer = Viewer(
            number=self._drawn,
            id=MemberId(member),
            uplink=Uplink(uplink_bps(draw.random())),
            upload=draw.random() >= RECEIVE_ONLY,
            joins_at=joins_at,
            leaves_at=joins_at + draw.expovariate(1 / MEAN_STAY_S),
            playlist_delay_s=draw.uniform(0, SEGMENT_S),
        )
        self._drawn += 1
        return viewer


def uplink_bps(fraction: float) -> float:
    """Return the uplink that this fraction (0 to 1) of the viewers stays below, bit/s."""
    for (before, low), (after, high) in itertools.pairwise(UPLINK_MBITS):
        if fraction <= after:
            return 1e6 * low * (high / low) ** ((fraction - before) / (after - before))
    raise ValueError(fraction)

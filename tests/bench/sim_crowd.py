"""Who watches in `make sim`: uplinks, who sends at all, when viewers come and go. No I/O.

Uplinks follow what was published of residential lines: half have at least 18.4 Mbit/s up (the
median that Ofcom measured in the United Kingdom, "UK home broadband performance", March 2023), and
94 % at least 3 (the FCC's "Internet Access Services", United States, June 2024, where the median is
20). Between these points and the ends, 2 and 50 Mbit/s, the logarithm rises evenly. The mean is
then 19.7; Ofcom's of November 2020, without an upper end, is 21.6.
"""

import base64
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from shoal.signaling.rooms.messages import MemberId, RosterMessage
from tests.bench.sim_latency import Delay
from tests.bench.sim_repair import ExpectedTime
from tests.bench.sim_uplink import Uplink

UPLINK_MBITS = ((0.0, 2.0), (0.06, 3.0), (0.5, 18.4), (1.0, 50.0))
"""such a part of the viewers has less than so much"""
RECEIVE_ONLY = 0.25
"""the part of the viewers that send nothing: phones, saved data, their own choice"""
MEAN_STAY_S = 600.0
"""a tenth of the viewers leaves each minute, however long they have been there"""
REPLACED_WITHIN_S = 1.0
"""after somebody left another one comes"""
MEMBER_ID_BYTES = 9
SEGMENT_S = 5.0


@dataclass(slots=True, eq=False)
class Viewer:
    """One viewer. Times are seconds since the simulation began."""

    number: int
    """0, 1, 2, … in the order of coming"""
    id: MemberId
    uplink: Uplink
    upload: bool
    came_at: float
    leaves_at: float
    asks_after_s: float
    """when its player hears of a segment, after the announcement: hls.js loads the playlist once a
    segment, in the rhythm in which it began"""
    room: RosterMessage | None = None
    """what it was told last"""
    here: frozenset[MemberId] = frozenset()
    """who is in that room"""
    first: frozenset[MemberId] = frozenset()
    """the others in the first roster of this room"""
    links: set[MemberId] = field(default_factory=set[MemberId])
    """viewers to whom a link is open"""
    cut: set[MemberId] = field(default_factory=set[MemberId])
    """members to whom the last attempt failed"""
    said_cut: set[MemberId] = field(default_factory=set[MemberId])
    said_ready: bool = False
    begun: bool = False
    """its start-up is over: what is announced from now on counts"""
    delay: Delay = field(default_factory=lambda: Delay(SEGMENT_S))
    expected: ExpectedTime = field(default_factory=ExpectedTime)


class Crowd:
    """Draws viewers; with the same seed always the same ones."""

    def __init__(self, viewers: int, within_s: float, seed: int) -> None:
        """Let `viewers` come evenly within so many seconds; later that many stay."""
        self._viewers = viewers
        self._within_s = within_s
        self._random = random.Random(seed)
        self._drawn = 0

    def first(self) -> Iterator[Viewer]:
        """Yield those that are there from the beginning."""
        for number in range(self._viewers):
            yield self._draw(number * self._within_s / self._viewers)

    def instead_of(self, viewer: Viewer) -> Viewer:
        """Return who comes after a viewer has left."""
        return self._draw(viewer.leaves_at + self._random.uniform(0, REPLACED_WITHIN_S))

    def _draw(self, comes_at: float) -> Viewer:
        draw = self._random
        member = base64.urlsafe_b64encode(draw.randbytes(MEMBER_ID_BYTES)).decode()
        viewer = Viewer(
            number=self._drawn,
            id=MemberId(member),
            uplink=Uplink(uplink_bps(draw.random())),
            upload=draw.random() >= RECEIVE_ONLY,
            came_at=comes_at,
            leaves_at=comes_at + draw.expovariate(1 / MEAN_STAY_S),
            asks_after_s=draw.uniform(0, SEGMENT_S),
        )
        self._drawn += 1
        return viewer


def uplink_bps(part: float) -> float:
    """Return the uplink below which this part of the viewers is, 0 to 1; bit/s."""
    for (before, low), (after, high) in itertools.pairwise(UPLINK_MBITS):
        if part <= after:
            return 1e6 * low * (high / low) ** ((part - before) / (after - before))
    raise ValueError(part)

"""The engines and the cases of `make bench-swarm`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from tests.bench.network import Link

LINK = Link(up=6)
SMALL = ("--picture", "320x180@15")
"""small enough that two cores decode it for ten viewers"""


@dataclass(frozen=True)
class Engine:
    """A page, and where to read its stats."""

    path: str
    hook: str
    """`window.<hook>.stats()`"""
    segments: int = 4
    """published before viewers join"""


# p2p-media-loader's default is to play 120 s behind live, if the playlist is that long
FULL_WINDOW = 31
ENGINES: Mapping[str, Engine] = {
    "rooms": Engine("/", "shoal"),
    "p2pml_default": Engine("/p2pml?settings=default", "p2pml", FULL_WINDOW),
    "p2pml_peertube": Engine("/p2pml?settings=peertube", "p2pml", 6),
    "p2pml_best": Engine("/p2pml", "p2pml", 7),
    "plain": Engine("/p2pml?settings=plain", "p2pml"),
}
OURS = "rooms"
BASELINE_CASE = "uplinks_8"
"""the only case that runs with all engines by default"""


@dataclass(frozen=True)
class Case:
    """Viewers behind shaped links that watch one stream."""

    links: tuple[Link, ...]
    kbps: int = 1100
    segment_s: int = 4
    variants: int = 1
    unreachable_pairs: frozenset[tuple[int, int]] = field(
        default_factory=frozenset[tuple[int, int]]
    )
    """pairs of viewers that cannot reach each other"""
    stopped: bool = False
    """whether the first viewer's browser is stopped once all are ready; it is then not counted"""
    corrupt: bool = False
    """whether the first viewer sends wrong bytes from the start of the window; it is not counted"""
    headless: bool = False
    """whether viewers run our engine without a browser, so that the machine can run more of them"""
    signaling: int = 1
    """number of signaling processes, over which viewers are spread"""
    arrival_s: float = 0.7
    """between viewers, since each makes links to all that are there"""
    leaving_per_minute: int = 0
    """viewers that are replaced by new ones"""
    narrowed: Mapping[int, Link] = field(default_factory=dict[int, Link])
    """links during the first half of the window, by viewer, so that these switch variants"""

    @property
    def stream(self) -> tuple[str, ...]:
        """Options of `shoal up`."""
        rate = ("--bitrate", str(self.kbps), "--segment-seconds", str(self.segment_s))
        return (*SMALL, *rate, "--renditions", str(self.variants))

    @property
    def counted(self) -> int:
        """How many viewers count in the results."""
        return len(self.links) - (self.stopped or self.corrupt)

    def unreachable(self, viewer: int) -> int:
        """How many others a viewer cannot reach."""
        return sum(viewer in pair for pair in self.unreachable_pairs)


CASES: Mapping[str, Case] = {
    "uplinks_8": Case((LINK,) * 8),
    "uplinks_10": Case((LINK,) * 10),
    "mixed_8": Case((Link(up=2),) * 5 + (LINK,) * 3),
    "scarce_8": Case((Link(up=1),) * 8),
    "unreachable_8": Case((LINK,) * 8, unreachable_pairs=frozenset(combinations(range(3), 2))),
    "renditions_8": Case(
        (LINK,) * 8, variants=2, narrowed=dict.fromkeys(range(4), Link(up=6, down=0.9))
    ),
    "station_8": Case((LINK,) * 8, kbps=1920, segment_s=5),
    "stalled_8": Case((LINK,) * 8, stopped=True),
    "poisoner_8": Case((LINK,) * 8, corrupt=True),
    "churn_8": Case((LINK,) * 8, leaving_per_minute=3),
    "short_8": Case((LINK,) * 8, segment_s=2),
    "headless_24": Case((LINK,) * 24, headless=True),
    "headless_48": Case((LINK,) * 48, kbps=500, headless=True, signaling=2, arrival_s=1.5),
}


def small(case: Case, viewers: int, segment_s: int) -> Case:
    """Return a case with only its first viewers, and segments of another length."""
    return replace(
        case,
        segment_s=segment_s,
        links=case.links[:viewers],
        unreachable_pairs=frozenset(pair for pair in case.unreachable_pairs if max(pair) < viewers),
        narrowed={number: link for number, link in case.narrowed.items() if number < viewers},
    )

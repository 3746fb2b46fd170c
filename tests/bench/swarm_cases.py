"""What `make bench-swarm` compares: the engines, and the cases that they are put in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from tests.bench.network import Link

LINK = Link(up=6)
SMALL = ("--picture", "320x180@15")
"""two cores decode it for ten viewers"""


@dataclass(frozen=True)
class Engine:
    """A page, and how its figures are read."""

    path: str
    hook: str
    """`window.<hook>.stats()`"""
    segments: int = 4
    """published before viewers come"""


# hls.js plays 120 s behind live by the library's default, where the playlist goes back so far
FAR_BEHIND = 31
ENGINES: Mapping[str, Engine] = {
    "rooms": Engine("/", "shoal"),
    "p2pml_default": Engine("/p2pml?settings=default", "p2pml", FAR_BEHIND),
    "p2pml_peertube": Engine("/p2pml?settings=peertube", "p2pml", 6),
    "p2pml_best": Engine("/p2pml", "p2pml", 7),
    "plain": Engine("/p2pml?settings=plain", "p2pml"),
}
OURS = "rooms"
BASELINE_CASE = "uplinks_8"
"""where all engines run by default; elsewhere only ours"""


@dataclass(frozen=True)
class Case:
    """Viewers behind their links, watching one stream."""

    links: tuple[Link, ...]
    kbps: int = 1100
    segment_s: int = 4
    renditions: int = 1
    apart: frozenset[tuple[int, int]] = field(default_factory=frozenset[tuple[int, int]])
    """pairs that cannot reach each other"""
    stopped: bool = False
    """whether the first viewer's browser is stopped once all are ready; it is not counted then"""
    poisoned: bool = False
    """whether the first viewer sends false bytes from the window's begin; it is not counted"""
    headless: bool = False
    """whether viewers are our engine without a browser, so that more of them fit here"""
    signaling: int = 1
    """processes, over which the viewers are spread"""
    arrival_s: float = 0.7
    """from one viewer's coming to the next: each makes links to all who are there"""
    leaving_per_minute: int = 0
    """viewers whose place another one takes"""
    narrowed: Mapping[int, Link] = field(default_factory=dict[int, Link])
    """links during the first half of the window, so that viewers change their rendition"""

    @property
    def stream(self) -> tuple[str, ...]:
        """Options of `shoal up`."""
        rate = ("--bitrate", str(self.kbps), "--segment-seconds", str(self.segment_s))
        return (*SMALL, *rate, "--renditions", str(self.renditions))

    @property
    def counted(self) -> int:
        """How many viewers' figures count."""
        return len(self.links) - (self.stopped or self.poisoned)

    def unreachable(self, viewer: int) -> int:
        """How many others a viewer cannot reach."""
        return sum(viewer in pair for pair in self.apart)


CASES: Mapping[str, Case] = {
    "uplinks_8": Case((LINK,) * 8),
    "uplinks_10": Case((LINK,) * 10),
    "mixed_8": Case((Link(up=2),) * 5 + (LINK,) * 3),
    "scarce_8": Case((Link(up=1),) * 8),
    "unreachable_8": Case((LINK,) * 8, apart=frozenset(combinations(range(3), 2))),
    "renditions_8": Case(
        (LINK,) * 8, renditions=2, narrowed=dict.fromkeys(range(4), Link(up=6, down=0.9))
    ),
    "station_8": Case((LINK,) * 8, kbps=1920, segment_s=5),
    "stalled_8": Case((LINK,) * 8, stopped=True),
    "poisoner_8": Case((LINK,) * 8, poisoned=True),
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
        apart=frozenset(pair for pair in case.apart if max(pair) < viewers),
        narrowed={number: link for number, link in case.narrowed.items() if number < viewers},
    )

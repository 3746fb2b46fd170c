"""What `make sim` counts, and its figures. No I/O."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.bench.sim_crowd import Viewer


@dataclass(kw_only=True)
class Sums:
    """Bytes that were received."""

    pushed: int = 0
    """by the plan: from an owner or a relay"""
    requested: int = 0
    from_successor: int = 0
    store: int = 0
    """by the plan: an own slice, and what everybody fetches"""
    stepped_in: int = 0
    """from the store, in an owner's place"""
    late: int = 0
    """from the store, because nobody else had brought it; in a start-up, or would"""

    def add(self, receipt: "Receipt") -> None:
        self.pushed += receipt.pushed
        self.requested += receipt.requested
        self.from_successor += receipt.from_successor
        self.store += receipt.store
        self.stepped_in += receipt.stepped_in
        self.late += receipt.late

    @property
    def from_peers(self) -> int:
        return self.pushed + self.requested + self.from_successor

    @property
    def from_store(self) -> int:
        return self.store + self.stepped_in + self.late

    @property
    def total(self) -> int:
        return self.from_peers + self.from_store


@dataclass(kw_only=True)
class Receipt(Sums):
    """What one viewer received of one segment."""

    viewer: Viewer


@dataclass
class Window:
    """What happened while it was counted."""

    counted: Sums = field(default_factory=Sums)
    """of segments announced after their receivers' start-up"""
    startup: Sums = field(default_factory=Sums)
    published: int = 0
    """bytes, once for each room"""
    rooms: int = 0
    """of each segment, summed"""
    members: int = 0
    """likewise"""
    messages: Counter[str] = field(default_factory=Counter[str])
    """to and from signaling, by their type"""
    seconds: float = 0.0

    def add(self, receipts: Iterable[Receipt], members: int, size: int) -> None:
        """Note what a segment brought in one room."""
        self.published += size
        self.rooms += 1
        self.members += members
        for receipt in receipts:
            (self.counted if receipt.viewer.begun else self.startup).add(receipt)


def figures(window: Window, stayed: Collection[Viewer], segments: int) -> dict[str, Any]:
    """Return the figures of a window.

    `stayed` are the viewers that were there all the time, `segments` how many were announced.
    """
    counted = window.counted
    repaired = counted.requested + counted.from_successor + counted.stepped_in + counted.late
    uploads = [viewer.uplink.sent for viewer in stayed if viewer.upload]
    viewer_hours = window.members / segments * window.seconds / 3600
    per_hour = {kind: count / viewer_hours for kind, count in sorted(window.messages.items())}
    return {
        "share": counted.from_peers / counted.total,
        "limit": 1 - window.rooms / window.members,
        "upload_max_over_mean": max(uploads) * len(uploads) / sum(uploads),
        "repair_rate": repaired / counted.total,
        "repair": {
            "requested": counted.requested / counted.total,
            "from_successor": counted.from_successor / counted.total,
            "stepped_in": counted.stepped_in / counted.total,
            "late": counted.late / counted.total,
        },
        "messages_per_viewer_hour": sum(per_hour.values()),
        "messages": per_hour,
        "copies_per_room": (counted.from_store + window.startup.from_store) / window.published,
        "startup_copies_per_room": window.startup.from_store / window.published,
        "rooms": window.rooms / segments,
        "viewers_per_room": window.members / window.rooms,
    }

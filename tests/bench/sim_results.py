"""What `make sim` counts, and its results. No I/O."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.bench.sim_crowd import Viewer


@dataclass(kw_only=True)
class Sums:
    """Received bytes, by how they were obtained."""

    pushed: int = 0
    """as planned: from an owner or a relay"""
    requested: int = 0
    from_successor: int = 0
    store: int = 0
    """as planned: the viewer's own slice, and the origin share"""
    stepped_in: int = 0
    """from the store, as a successor in an owner's place"""
    late: int = 0
    """from the store, because no member had delivered it, or at start-up because none would"""

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
    """What happened in the counted minute."""

    counted: Sums = field(default_factory=Sums)
    """of segments announced after their receivers' start-up"""
    startup: Sums = field(default_factory=Sums)
    published: int = 0
    """bytes, once for each room"""
    rooms: int = 0
    """sum over the segments"""
    members: int = 0
    """sum over the segments"""
    messages: Counter[str] = field(default_factory=Counter[str])
    """to and from signaling, by their type"""
    seconds: float = 0.0

    def add(self, receipts: Iterable[Receipt], members: int, size: int) -> None:
        """Count one segment in one room: its size in bytes, and what its members received."""
        self.published += size
        self.rooms += 1
        self.members += members
        for receipt in receipts:
            (self.counted if receipt.viewer.started else self.startup).add(receipt)


def results(window: Window, stayed: Collection[Viewer], segments: int) -> dict[str, Any]:
    """Return the results of a window, by name as in `.bench/sim.json`.

    `stayed` are the viewers that were present all the time, `segments` is how many were announced.
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

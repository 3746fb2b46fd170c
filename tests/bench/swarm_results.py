"""From what viewers and the store counted to a swarm bench's figures. No I/O."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIGURES = (
    *("share", "limit", "copies", "stalls", "behind_live_s", "first_picture_ms"),
    *("upload_max_over_mean", "cpu_pct", "origin_bytes"),
)
MIN_IDLE_PCT = 4.0
"""With less the cores were the limit of what is measured: such a run does not count."""


@dataclass(frozen=True)
class Counts:
    """What one viewer counted up to a moment; start-up bytes are left out where it knows them."""

    p2p: int = 0
    others: int = 0
    """from the store and from the seed"""
    uploaded: int = 0
    stalls: int = 0

    def __sub__(self, before: "Counts") -> "Counts":
        return Counts(
            self.p2p - before.p2p,
            self.others - before.others,
            self.uploaded - before.uploaded,
            self.stalls - before.stalls,
        )


def counts(stats: Mapping[str, Any]) -> Counts:
    """Read the figures of either page."""
    if "bytes" not in stats:  # p2p-media-loader's, who knows of no start-up
        return Counts(stats["p2p"], stats["http"], stats["uploaded"], stats["stalls"])
    steady = {
        source: stats["bytes"][source] - stats["startup"][source] for source in stats["bytes"]
    }
    return Counts(
        steady["p2p"], steady["store"] + steady["seed"], stats["uploaded"], stats["stalls"]
    )


@dataclass(frozen=True)
class Window:
    """What happened in a run's window."""

    changes: Sequence[Counts]
    """of each viewer that was there, for a while or all the time"""
    stayed: int
    """so many of them, the first ones, were there all the time"""
    viewers: int
    """at a time"""
    rooms: int
    """that they are in, each of which needs a copy of its own"""
    seconds: float
    cpu_s: Sequence[float]
    """of each viewer's processes"""
    sent_bytes: int
    """that left the store"""
    published_bytes: int
    """in segments"""
    origin_bytes: int


def figures(window: Window, last: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return a run's figures.

    `last` are the statistics, at the end, of those who are there. None is what was not seen: a
    picture that never came, for instance.
    """
    p2p = sum(change.p2p for change in window.changes)
    received = p2p + sum(change.others for change in window.changes)
    uploads = [change.uploaded for change in window.changes[: window.stayed]]
    a_room = window.viewers / window.rooms
    needed = window.published_bytes * window.rooms
    return {
        "share": p2p / received if received else None,
        "limit": (a_room - 1) / a_room,
        "copies": window.sent_bytes / needed if needed else None,
        "stalls": sum(change.stalls for change in window.changes),
        "behind_live_s": _median(stats["latency_s"] for stats in last),
        "first_picture_ms": _median(stats["first_picture_ms"] for stats in last),
        # nobody uploads: nobody carries more than others
        "upload_max_over_mean": max(uploads) / statistics.mean(uploads) if any(uploads) else 1.0,
        "cpu_pct": 100 * statistics.mean(window.cpu_s) / window.seconds,
        "origin_bytes": window.origin_bytes,
    }


def _median(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of the runs that count, what was too busy, and every run."""
    good = [run for run in runs if run["idle_pct"] >= MIN_IDLE_PCT]
    medians = {name: _median(run[name] for run in good) for name in FIGURES} if good else {}
    return {**medians, "counted": len(good), "too_busy": len(runs) - len(good), "runs": [*runs]}

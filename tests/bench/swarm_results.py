"""The results of a swarm bench, from the counters of viewers and the store. No I/O."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEASURES = (
    *("share", "limit", "copies", "stalls", "behind_live_s", "first_picture_ms"),
    *("upload_max_over_mean", "cpu_pct", "origin_bytes"),
)
MIN_IDLE_PCT = 4.0
"""with less idle time, a run measured the machine: it does not count"""


@dataclass(frozen=True)
class Counts:
    """One viewer's counters at a moment; without start-up bytes if the page counts them."""

    p2p: int = 0
    others: int = 0
    """from store and seed"""
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
    """Return the counters in the stats of either page."""
    if "bytes" not in stats:  # p2p-media-loader's page, which does not count start-up bytes
        return Counts(stats["p2p"], stats["http"], stats["uploaded"], stats["stalls"])
    steady = {
        source: stats["bytes"][source] - stats["startup"][source] for source in stats["bytes"]
    }
    return Counts(
        steady["p2p"], steady["store"] + steady["seed"], stats["uploaded"], stats["stalls"]
    )


@dataclass(frozen=True)
class Window:
    """What was counted in the window of a run."""

    changes: Sequence[Counts]
    """for each viewer that was there, if only for a while; those that stayed come first"""
    stayed: int
    """how many viewers were there all the time"""
    viewers: int
    """at any time"""
    rooms: int
    """that they are in; each room needs its own copy"""
    seconds: float
    cpu_s: Sequence[float]
    """of each viewer's processes"""
    sent_bytes: int
    """by the store"""
    published_bytes: int
    """size of the segments published in the window"""
    origin_bytes: int


def results(window: Window, last: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return a run's results, by name.

    `last` are the final stats of the viewers that are still there. A value is None if it was never
    measured, for instance because there was no picture.
    """
    p2p = sum(change.p2p for change in window.changes)
    received = p2p + sum(change.others for change in window.changes)
    uploads = [change.uploaded for change in window.changes[: window.stayed]]
    per_room = window.viewers / window.rooms
    needed = window.published_bytes * window.rooms
    return {
        "share": p2p / received if received else None,
        "limit": (per_room - 1) / per_room,
        "copies": window.sent_bytes / needed if needed else None,
        "stalls": sum(change.stalls for change in window.changes),
        "behind_live_s": _median(stats["latency_s"] for stats in last),
        "first_picture_ms": _median(stats["first_picture_ms"] for stats in last),
        # if nobody uploads, nobody uploads more than others
        "upload_max_over_mean": max(uploads) / statistics.mean(uploads) if any(uploads) else 1.0,
        "cpu_pct": 100 * statistics.mean(window.cpu_s) / window.seconds,
        "origin_bytes": window.origin_bytes,
    }


def _median(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of the runs that count, how many count, and all runs."""
    good = [run for run in runs if run["idle_pct"] >= MIN_IDLE_PCT]
    medians = {name: _median(run[name] for run in good) for name in MEASURES} if good else {}
    return {**medians, "counted": len(good), "too_busy": len(runs) - len(good), "runs": [*runs]}

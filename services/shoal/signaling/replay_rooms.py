"""Rooms and stats of viewers that watch replays. No I/O.

The viewers of each replay have rooms of their own. These work like the rooms of the live stream,
but no segments are announced in them: each viewer is at another place of the replay, and asks the
others for what it needs next. The rooms are local to one process: where several processes serve a
station, viewers of one replay who connected to different processes do not share. Times are seconds
of a monotonic clock.
"""

from dataclasses import dataclass

from shoal.announcements import KeptReplay
from shoal.api_types import BytesBySource, ReplayTotals
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.messages import NodeId
from shoal.signaling.cluster.remote_members import LocalRooms
from shoal.signaling.rooms.messages import FromViewer, MemberId, Stats
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.stats.viewer_stats import NO_STATS, STORE_FACTOR, StatsRefusal, stats_refusal

MAX_SPEED = 4
"""times normal speed: nobody watches, or seeks, faster than this"""
MAX_AHEAD_S = 300.0
"""seconds of the replay that may be loaded ahead"""


class _WatchedReplay:
    """One replay, while it has viewers."""

    def __init__(self, node: NodeId, replay: KeptReplay) -> None:
        self.id = replay.id
        self.rooms = LocalRooms(NodeId(f"{node}-{replay.id}"), BroadcastState())
        self.bytes_per_s = replay.size / max(replay.duration, 1.0)
        self.viewers = 0
        self.joins = 0


@dataclass(slots=True)
class _ViewerRecord:
    replay: _WatchedReplay
    joined_at: float
    left_before_join: int
    """viewers of this replay that left before this one joined"""
    last_report: Stats | None = None

    def available(self, now: float) -> float:
        """Return how many bytes of the replay the viewer can have received until now."""
        return self.replay.bytes_per_s * (MAX_SPEED * (now - self.joined_at) + MAX_AHEAD_S)


class ReplayRooms:
    """The viewers of replays in this process."""

    def __init__(self, node: NodeId) -> None:
        """Name the rooms after the process `node`."""
        self._node = node
        self._replays: dict[str, _WatchedReplay] = {}
        self._records: dict[MemberId, _ViewerRecord] = {}
        self._linked_viewers = 0
        self._bytes = BytesBySource()
        self._uploaded = 0
        self._stalls = 0

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._records

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before another event."""
        times = (replay.rooms.rooms.due for replay in self._replays.values())
        return min((time for time in times if time is not None), default=None)

    def join(
        self, member: MemberId, replay: KeptReplay, state: MemberState, address: str, now: float
    ) -> Effects:
        """Add a viewer."""
        watched = self._replays.get(replay.id)
        if watched is None:
            watched = self._replays[replay.id] = _WatchedReplay(self._node, replay)
        left_before = watched.joins - watched.viewers
        self._records[member] = _ViewerRecord(watched, now, left_before)
        watched.viewers += 1
        watched.joins += 1
        effects = Effects()
        watched.rooms.join(member, state, address, now, effects)
        return effects

    def leave(self, member: MemberId, now: float) -> Effects:
        """Remove a viewer; what it reported stays in the totals."""
        record = self._records.pop(member)
        watched = record.replay
        watched.viewers -= 1
        self._linked_viewers -= (record.last_report or NO_STATS).peers > 0
        effects = Effects()
        watched.rooms.leave(member, now, effects)
        if watched.viewers == 0:
            del self._replays[watched.id]
        return effects

    def receive(self, member: MemberId, message: FromViewer, now: float) -> Effects:
        """Handle a viewer's message."""
        effects = Effects()
        self._records[member].replay.rooms.receive(member, message, now, effects)
        return effects

    def report_stats(self, member: MemberId, stats: Stats, now: float) -> StatsRefusal | None:
        """Take a viewer's stats, or return why they are implausible."""
        record = self._records[member]
        previous = record.last_report or NO_STATS
        refusal = stats_refusal(stats, previous, now - record.joined_at)
        available, received = record.available(now), stats.bytes
        possible_receivers = record.replay.joins - record.left_before_join
        if refusal is None and (
            received.p2p > available
            or received.store + received.seed > STORE_FACTOR * available
            or stats.uploaded > possible_receivers * available
        ):
            refusal = "too_much"
        if refusal is None:
            record.last_report = stats
            self._bytes += received - previous.bytes
            self._uploaded += stats.uploaded - previous.uploaded
            self._stalls += stats.stalls - previous.stalls
            self._linked_viewers += (stats.peers > 0) - (previous.peers > 0)
        return refusal

    def totals(self) -> ReplayTotals:
        """Return the totals."""
        return ReplayTotals(
            viewers=len(self._records),
            linked=self._linked_viewers,
            bytes=self._bytes,
            uploaded=self._uploaded,
            stalls=self._stalls,
        )

    def tick(self, now: float) -> Effects:
        """Do what is due."""
        effects = Effects()
        for watched in self._replays.values():
            due = watched.rooms.rooms.due
            if due is not None and due <= now:
                watched.rooms.tick(now, effects)
        return effects

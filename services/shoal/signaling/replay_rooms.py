"""Who watches replays: rooms for each of them, and what these viewers report. No I/O.

Each replay's viewers sit in rooms of their own, which are like the live stream's, but that nothing
is announced in them: everybody is somewhere else in the replay, and asks the others for what it
needs next. They are of one process: where several are one station, viewers of one replay who came
to different ones share apart. Times are seconds of a clock that only rises.
"""

from dataclasses import dataclass

from shoal.announcements import KeptReplay
from shoal.api_types import BytesBySource, ReplayTotals
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.cluster.effects import Sent
from shoal.signaling.cluster.messages import NodeId
from shoal.signaling.cluster.remote_members import House
from shoal.signaling.rooms.messages import FromViewer, MemberId, Stats
from shoal.signaling.rooms.room import Seat
from shoal.signaling.stats.viewer_stats import NOTHING, STORE_FACTOR, FigureRefusal, refusal_of

FASTEST = 4
"""times its own speed: nobody watches faster, or seeks so much"""
AHEAD_S = 300.0
"""of the replay, loaded before it is watched"""


class _Showing:
    """One replay, while somebody watches it."""

    def __init__(self, own: NodeId, kept: KeptReplay) -> None:
        self.id = kept.id
        self.house = House(NodeId(f"{own}-{kept.id}"), Programme())
        self.bytes_per_s = kept.size / max(kept.duration, 1.0)
        self.viewers = 0
        self.joins = 0


@dataclass(slots=True)
class _Account:
    showing: _Showing
    joined_at: float
    left_before: int
    """viewers of this replay that left before it joined"""
    last: Stats | None = None

    def available(self, now: float) -> float:
        """Return bytes of the replay that it may have had until now."""
        return self.showing.bytes_per_s * (FASTEST * (now - self.joined_at) + AHEAD_S)


class ReplayRooms:
    """The viewers of replays in this process."""

    def __init__(self, own: NodeId) -> None:
        """Name the rooms after the process `own`."""
        self._own = own
        self._showings: dict[str, _Showing] = {}
        self._accounts: dict[MemberId, _Account] = {}
        self._linked = 0
        self._bytes = BytesBySource()
        self._uploaded = 0
        self._stalls = 0

    def __len__(self) -> int:
        return len(self._accounts)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._accounts

    @property
    def due(self) -> float | None:
        """When `tick` must be called; None: not before something happens."""
        times = (showing.house.rooms.due for showing in self._showings.values())
        return min((time for time in times if time is not None), default=None)

    def join(
        self, member: MemberId, kept: KeptReplay, seat: Seat, address: str, now: float
    ) -> Sent:
        """Seat a newcomer."""
        showing = self._showings.get(kept.id)
        if showing is None:
            showing = self._showings[kept.id] = _Showing(self._own, kept)
        left_before = showing.joins - showing.viewers
        self._accounts[member] = _Account(showing, now, left_before)
        showing.viewers += 1
        showing.joins += 1
        sent = Sent()
        showing.house.join(member, seat, address, now, sent)
        return sent

    def leave(self, member: MemberId, now: float) -> Sent:
        """Free a viewer's seat; what it reported stays in the sums."""
        account = self._accounts.pop(member)
        showing = account.showing
        showing.viewers -= 1
        self._linked -= (account.last or NOTHING).peers > 0
        sent = Sent()
        showing.house.leave(member, now, sent)
        if showing.viewers == 0:
            del self._showings[showing.id]
        return sent

    def hear(self, member: MemberId, message: FromViewer, now: float) -> Sent:
        """Take what a viewer says."""
        sent = Sent()
        self._accounts[member].showing.house.hear(member, message, now, sent)
        return sent

    def report(self, member: MemberId, stats: Stats, now: float) -> FigureRefusal | None:
        """Take a viewer's figures, or say why they cannot be true."""
        account = self._accounts[member]
        before = account.last or NOTHING
        refusal = refusal_of(stats, before, now - account.joined_at)
        available, received = account.available(now), stats.bytes
        met = account.showing.joins - account.left_before
        if refusal is None and (
            received.p2p > available
            or received.store + received.seed > STORE_FACTOR * available
            or stats.uploaded > met * available
        ):
            refusal = "too_much"
        if refusal is None:
            account.last = stats
            self._bytes += received - before.bytes
            self._uploaded += stats.uploaded - before.uploaded
            self._stalls += stats.stalls - before.stalls
            self._linked += (stats.peers > 0) - (before.peers > 0)
        return refusal

    def totals(self) -> ReplayTotals:
        """Return the sums."""
        return ReplayTotals(
            viewers=len(self._accounts),
            linked=self._linked,
            bytes=self._bytes,
            uploaded=self._uploaded,
            stalls=self._stalls,
        )

    def tick(self, now: float) -> Sent:
        """Do what is due."""
        sent = Sent()
        for showing in self._showings.values():
            due = showing.house.rooms.due
            if due is not None and due <= now:
                showing.house.tick(now, sent)
        return sent

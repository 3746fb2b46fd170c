"""Where sockets, the room, the programme and the figures meet; every event is handled in one go.

No method here awaits, so what one event causes is queued everywhere before the next is looked at:
that keeps the roster's order on every socket.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from msgspec.structs import replace
from picows import WSCloseCode

from shoal.announcements import FromBroadcaster, Stream
from shoal.api_types import RoomsView, SignalingStats, Viewers, share
from shoal.segments import Descriptor
from shoal.signaling.broadcast_state import Programme
from shoal.signaling.cluster.effects import Sent
from shoal.signaling.cluster.messages import NodeId, Seating
from shoal.signaling.cluster.redis_router import Seats
from shoal.signaling.connection_limits import Barred
from shoal.signaling.replay_rooms import ReplayRooms
from shoal.signaling.rooms.messages import FromViewer, MemberId, Stats, Switch
from shoal.signaling.rooms.room import Seat
from shoal.signaling.rooms.topology import rooms_view
from shoal.signaling.stats.totals import Totals
from shoal.signaling.stats.viewer_stats import FigureRefusal, Figures
from shoal.signaling.websocket import Socket

MEMBER_ID_BYTES = 9
"""72 random bits: 12 characters"""
NODE_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Viewer:
    socket: Socket
    expel: Callable[[], None]
    """tells it why, and ends the socket"""


class Hub:
    """The state of one signaling process. Must be made inside a running event loop."""

    def __init__(self) -> None:
        self.node = NodeId(secrets.token_hex(NODE_ID_BYTES))
        """the name of this process among several"""
        self.programme = Programme()
        self.seats = Seats(self.node, self.programme)
        self.replays = ReplayRooms(self.node)
        self.figures = Figures()
        self.barred = Barred()
        self.broadcaster: Socket | None = None
        """the one that is listened to"""
        self.on_announced: Callable[[FromBroadcaster], None] | None = None
        """told what our broadcaster announces"""
        self.on_broadcaster: Callable[[], None] | None = None
        """told when a broadcaster connects here"""
        self.on_said: Callable[[NodeId, Seating], None] | None = None
        """takes what another signaling process must hear of rooms"""
        self._elsewhere = Totals()
        self._rooms_elsewhere: int = 0
        self._broadcasters_elsewhere: int = 0
        self._viewers: dict[MemberId, _Viewer] = {}
        self._to_send: deque[Sent] = deque()
        self._is_sending = False
        self._watchers: set[asyncio.Event] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        """kept here: uvloop's handle does not know it where that is now, or past"""

    def totals(self) -> Totals:
        """Return the sums over the viewers of all signaling processes."""
        return self.own_totals() + self._elsewhere

    def own_totals(self) -> Totals:
        """Return the sums over the viewers of this process."""
        return replace(self.figures.totals(), replays=self.replays.totals())

    @property
    def viewers(self) -> int:
        """Members of the live stream's rooms now, of all signaling processes."""
        return len(self._viewers) - len(self.replays) + self._elsewhere.viewers

    @property
    def own_rooms(self) -> int:
        """Rooms that live in this process."""
        return self.seats.house.rooms.rooms

    @property
    def rooms(self) -> int:
        """Rooms with members, of all signaling processes."""
        return self.own_rooms + self._rooms_elsewhere

    @property
    def own_broadcasters(self) -> int:
        """Broadcasters connected to this process: 0 or 1."""
        return int(self.broadcaster is not None)

    @property
    def broadcasters(self) -> int:
        """Broadcasters connected now, to any signaling process."""
        return self.own_broadcasters + self._broadcasters_elsewhere

    def count_elsewhere(self, totals: Totals, rooms: int, broadcasters: int, joins: int) -> None:
        """Take the sums of the other signaling processes."""
        self.figures.joined_elsewhere(joins)
        now = (totals, rooms, broadcasters)
        if now != (self._elsewhere, self._rooms_elsewhere, self._broadcasters_elsewhere):
            self._elsewhere, self._rooms_elsewhere, self._broadcasters_elsewhere = now
            self._notify()

    def join(
        self,
        socket: Socket,
        seat: Seat,
        address: str,
        expel: Callable[[], None],
        replay: str | None = None,
    ) -> MemberId:
        """Seat a viewer that is written to through `socket`; return its new id.

        Of a `replay`, if it watches one; raises KeyError for one that there is not.
        """
        kept = None if replay is None else self.programme.replays[replay]
        member = MemberId(secrets.token_urlsafe(MEMBER_ID_BYTES))
        now = self._loop.time()
        self._viewers[member] = _Viewer(socket, expel)
        if kept is None:
            self.figures.joined(member, seat.variant, now, sharing=seat.sharing)
            self._change(self.seats.join(member, seat, address, now))
        else:
            self._change(self.replays.join(member, kept, seat, address, now))
        self._notify()
        return member

    def leave(self, member: MemberId) -> None:
        """Take a viewer out; its figures stay in the totals."""
        del self._viewers[member]
        now = self._loop.time()
        if member in self.replays:
            self._change(self.replays.leave(member, now))
        else:
            self.figures.left(member)
            self._change(self.seats.leave(member, now))
        self._notify()

    def hear(self, member: MemberId, message: FromViewer) -> None:
        """Take what a viewer says to its room."""
        if member in self.replays:
            self._change(self.replays.hear(member, message, self._loop.time()))
            return
        if isinstance(message, Switch):
            self.figures.switched(member, message.variant)
        self._change(self.seats.hear(member, message, self._loop.time()))

    def hear_node(self, node: NodeId, messages: Sequence[Seating], *, complete: bool) -> None:
        """Take what another process says of rooms, `complete` if nothing before it was lost."""
        now = self._loop.time()
        if not complete:
            self._change(self.seats.lost(node, now))
        self._change(self.seats.hear_node(node, messages, now))

    def expire(self) -> None:
        """Leave the rooms of processes that are silent, and free the seats of their viewers."""
        self._change(self.seats.expire(self._loop.time()))

    def report(self, member: MemberId, stats: Stats) -> FigureRefusal | None:
        """Take a viewer's figures, or say why they cannot be true."""
        now = self._loop.time()
        if member in self.replays:
            return self.replays.report(member, stats, now)
        refusal = self.figures.report(member, stats, now)
        if refusal is None and stats.uplink_bps is not None:
            self._change(self.seats.hear(member, stats, now))
        self._notify()
        return refusal

    def listen_to(self, broadcaster: Socket | None) -> Socket | None:
        """Make this the station's broadcaster; return the one that it takes over from."""
        before, self.broadcaster = self.broadcaster, broadcaster
        if broadcaster is not None and self.on_broadcaster is not None:
            self.on_broadcaster()
        self._notify()
        return before

    def broadcaster_moved(self) -> None:
        """Close the socket of a broadcaster that has connected to another process since."""
        if self.broadcaster is not None:
            self.broadcaster.end(WSCloseCode.POLICY_VIOLATION, "another broadcaster connected")

    def spread(self, announced: FromBroadcaster) -> None:
        """Tell the other signaling processes what our broadcaster announced."""
        if self.on_announced is not None:
            self.on_announced(announced)

    def stream(self, on_air: Stream) -> None:
        """Take what is on air, and tell viewers if it is news."""
        if self.programme.announce(on_air):
            self._change(self.seats.stream(on_air))

    def segment(self, descriptor: Descriptor) -> None:
        """Take a published segment, and announce it if it is news."""
        if self.programme.publish(descriptor):
            self.figures.announced(descriptor.variant, descriptor.size)
            self._change(self.seats.segment(descriptor, self._loop.time()))
            self._notify()

    def stats(self) -> SignalingStats:
        """Return what `/stats` says."""
        totals = self.totals()
        return SignalingStats(
            viewers=totals.viewers,
            broadcasters=self.broadcasters,
            chunks=self.programme.chunks,
            rooms=self.rooms,
            peers=totals.peers,
            not_sharing=totals.not_sharing,
            bytes=totals.bytes,
            startup=totals.startup,
            recent=totals.recent,
            uploaded=totals.uploaded,
            wanted=totals.wanted,
            share=share(totals.bytes, totals.startup),
            stalls=totals.stalls,
            latency_s=totals.latency_s,
            live=self.programme.on_air.live,
            stream=self.programme.on_air.stream,
            replays=totals.replays,
        )

    def each_viewer(self) -> Viewers:
        """Return what `/viewers` says."""
        return Viewers(self.figures.viewers(self._loop.time(), time.time()))

    def rooms_view(self, room: str | None) -> RoomsView:
        """Return what `/rooms` says, with the picture of this room."""
        figures = {viewer.id: viewer for viewer in self.each_viewer().viewers}
        return rooms_view(self.seats.house.rooms, self.programme, figures, room)

    @contextmanager
    def watching(self) -> Generator[asyncio.Event]:
        """Lend an event that is set now, and whenever a count or a viewer's figures change."""
        changed = asyncio.Event()
        changed.set()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _notify(self) -> None:
        for changed in self._watchers:
            changed.set()

    def _change(self, sent: Sent) -> None:
        """Send what follows from an event, and set the timer for what is owed.

        A reader may be cut off while it is written to; what follows from that comes after.
        """
        self._to_send.append(sent)
        if self._is_sending:
            return
        self._is_sending = True
        try:
            while self._to_send:
                self._send(self._to_send.popleft())
        finally:
            self._is_sending = False
        times = (self.seats.due, self.replays.due)
        due = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            if self._timer_at == due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _send(self, sent: Sent) -> None:
        for frame in sent.frames:
            for member in frame.to:
                viewer = self._viewers.get(member)
                if viewer is not None:
                    put = viewer.socket.relay if frame.relayed else viewer.socket.put
                    put(frame.data)
        for node, message in sent.nodes:
            if self.on_said is not None:
                self.on_said(node, message)
        for member in sent.expelled:
            if member in self._viewers:
                self._viewers[member].expel()

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._change(self.seats.tick(now))
        self._change(self.replays.tick(now))

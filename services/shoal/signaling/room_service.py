"""The shell around rooms, broadcast state and stats: sockets, the timer, and delivery.

No method here awaits: everything that one event causes is queued before the next event is handled,
which keeps the order of rosters on every socket.
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
from shoal.signaling.broadcast_state import BroadcastState
from shoal.signaling.cluster.effects import Effects
from shoal.signaling.cluster.messages import NodeId, RoutingMessage
from shoal.signaling.cluster.redis_router import RedisRouter
from shoal.signaling.connection_limits import BanList
from shoal.signaling.replay_rooms import ReplayRooms
from shoal.signaling.rooms.messages import FromViewer, MemberId, Stats, SwitchVariant
from shoal.signaling.rooms.room import MemberState
from shoal.signaling.rooms.topology import rooms_view
from shoal.signaling.stats.totals import Totals
from shoal.signaling.stats.viewer_stats import StatsRefusal, ViewerStats
from shoal.signaling.websocket import WebSocket

MEMBER_ID_BYTES = 9
"""72 random bits: 12 characters"""
NODE_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Viewer:
    websocket: WebSocket
    expel: Callable[[], None]
    """sends the reason, and closes the socket"""


class RoomService:
    """The state of one signaling process. Must be created inside a running event loop."""

    def __init__(self) -> None:
        self.node = NodeId(secrets.token_hex(NODE_ID_BYTES))
        """this process's name among several"""
        self.broadcast = BroadcastState()
        self.router = RedisRouter(self.node, self.broadcast)
        self.replay_rooms = ReplayRooms(self.node)
        self.viewer_stats = ViewerStats()
        self.ban_list = BanList()
        self.broadcaster: WebSocket | None = None
        """the active broadcaster's"""
        self.on_announcement: Callable[[FromBroadcaster], None] | None = None
        """called with each announcement of our broadcaster"""
        self.on_broadcaster_connected: Callable[[], None] | None = None
        """called when a broadcaster connects here"""
        self.on_node_message: Callable[[NodeId, RoutingMessage], None] | None = None
        """called with each message about rooms for another node"""
        self._remote_totals = Totals()
        self._remote_rooms: int = 0
        self._remote_broadcasters: int = 0
        self._viewers: dict[MemberId, _Viewer] = {}
        self._undelivered: deque[Effects] = deque()
        self._is_delivering = False
        self._watchers: set[asyncio.Event] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        """kept here because uvloop's handle does not know a time that is now or past"""

    def totals(self) -> Totals:
        """Return the totals over the viewers of all nodes."""
        return self.local_totals() + self._remote_totals

    def local_totals(self) -> Totals:
        """Return the totals over the viewers of this node."""
        return replace(self.viewer_stats.totals(), replays=self.replay_rooms.totals())

    @property
    def viewers(self) -> int:
        """Members of the live stream's rooms now, on all nodes."""
        return len(self._viewers) - len(self.replay_rooms) + self._remote_totals.viewers

    @property
    def local_rooms(self) -> int:
        """Rooms of this node."""
        return self.router.local_rooms.rooms.count

    @property
    def rooms(self) -> int:
        """Rooms with members, on all nodes."""
        return self.local_rooms + self._remote_rooms

    @property
    def local_broadcasters(self) -> int:
        """Broadcasters connected to this node: 0 or 1."""
        return int(self.broadcaster is not None)

    @property
    def broadcasters(self) -> int:
        """Broadcasters connected now, to any node."""
        return self.local_broadcasters + self._remote_broadcasters

    def set_remote_counts(self, totals: Totals, rooms: int, broadcasters: int, joins: int) -> None:
        """Set the sums over the other nodes."""
        self.viewer_stats.set_remote_joins(joins)
        counts = (totals, rooms, broadcasters)
        if counts != (self._remote_totals, self._remote_rooms, self._remote_broadcasters):
            self._remote_totals, self._remote_rooms, self._remote_broadcasters = counts
            self._notify()

    def join(
        self,
        websocket: WebSocket,
        state: MemberState,
        address: str,
        expel: Callable[[], None],
        replay: str | None = None,
    ) -> MemberId:
        """Add a viewer, and return its new id.

        `expel` closes its socket with a reason. `replay` is the id of the replay that it watches,
        if any; raises KeyError for an unknown one.
        """
        kept_replay = None if replay is None else self.broadcast.replays[replay]
        member = MemberId(secrets.token_urlsafe(MEMBER_ID_BYTES))
        now = self._loop.time()
        self._viewers[member] = _Viewer(websocket, expel)
        if kept_replay is None:
            self.viewer_stats.joined(member, state.variant, now, sharing=state.sharing)
            self._deliver(self.router.join(member, state, address, now))
        else:
            self._deliver(self.replay_rooms.join(member, kept_replay, state, address, now))
        self._notify()
        return member

    def leave(self, member: MemberId) -> None:
        """Remove a viewer; its stats stay in the totals."""
        del self._viewers[member]
        now = self._loop.time()
        if member in self.replay_rooms:
            self._deliver(self.replay_rooms.leave(member, now))
        else:
            self.viewer_stats.left(member)
            self._deliver(self.router.leave(member, now))
        self._notify()

    def receive(self, member: MemberId, message: FromViewer) -> None:
        """Handle a viewer's message to its room."""
        if member in self.replay_rooms:
            self._deliver(self.replay_rooms.receive(member, message, self._loop.time()))
            return
        if isinstance(message, SwitchVariant):
            self.viewer_stats.switched(member, message.variant)
        self._deliver(self.router.receive(member, message, self._loop.time()))

    def receive_node(
        self, node: NodeId, messages: Sequence[RoutingMessage], *, complete: bool
    ) -> None:
        """Handle another node's messages about rooms; not `complete`: earlier ones were lost."""
        now = self._loop.time()
        if not complete:
            self._deliver(self.router.reset(node, now))
        self._deliver(self.router.receive_node(node, messages, now))

    def expire_nodes(self) -> None:
        """Leave the rooms of nodes that have gone silent, and remove their viewers from ours."""
        self._deliver(self.router.expire_nodes(self._loop.time()))

    def report_stats(self, member: MemberId, stats: Stats) -> StatsRefusal | None:
        """Take a viewer's stats, or return why they are implausible."""
        now = self._loop.time()
        if member in self.replay_rooms:
            return self.replay_rooms.report_stats(member, stats, now)
        refusal = self.viewer_stats.report(member, stats, now)
        if refusal is None and stats.uplink_bps is not None:
            self._deliver(self.router.receive(member, stats, now))
        self._notify()
        return refusal

    def set_broadcaster(self, broadcaster: WebSocket | None) -> WebSocket | None:
        """Set the active broadcaster; return the one that it replaces."""
        previous, self.broadcaster = self.broadcaster, broadcaster
        if broadcaster is not None and self.on_broadcaster_connected is not None:
            self.on_broadcaster_connected()
        self._notify()
        return previous

    def broadcaster_moved(self) -> None:
        """Close the socket of a broadcaster that has since connected to another node."""
        if self.broadcaster is not None:
            self.broadcaster.close(WSCloseCode.POLICY_VIOLATION, "another broadcaster connected")

    def replicate(self, announcement: FromBroadcaster) -> None:
        """Pass an announcement of our broadcaster on to the other nodes."""
        if self.on_announcement is not None:
            self.on_announcement(announcement)

    def set_stream(self, stream: Stream) -> None:
        """Set what is on air, and tell viewers if that has changed."""
        if self.broadcast.set_stream(stream):
            self._deliver(self.router.set_stream(stream))

    def publish(self, descriptor: Descriptor) -> None:
        """Add a published segment, and announce it unless it is old."""
        if self.broadcast.publish(descriptor):
            self.viewer_stats.published(descriptor.variant, descriptor.size)
            self._deliver(self.router.publish(descriptor, self._loop.time()))
            self._notify()

    def stats(self) -> SignalingStats:
        """Return the body of `/stats`."""
        totals = self.totals()
        return SignalingStats(
            viewers=totals.viewers,
            broadcasters=self.broadcasters,
            chunks=self.broadcast.chunks,
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
            live=self.broadcast.stream.live,
            stream=self.broadcast.stream.stream,
            replays=totals.replays,
        )

    def viewers_view(self) -> Viewers:
        """Return the body of `/viewers`."""
        return Viewers(self.viewer_stats.viewers(self._loop.time(), time.time()))

    def rooms_view(self, room: str | None) -> RoomsView:
        """Return the body of `/rooms`, with the topology of `room`."""
        viewer_stats = {viewer.id: viewer for viewer in self.viewers_view().viewers}
        return rooms_view(self.router.local_rooms.rooms, self.broadcast, viewer_stats, room)

    @contextmanager
    def watching(self) -> Generator[asyncio.Event]:
        """Yield an event that is set now, and whenever a count or a viewer's stats change."""
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

    def _deliver(self, effects: Effects) -> None:
        """Deliver what follows from an event, and set the timer for what is due next.

        Delivery may disconnect a slow reader; what follows from that is delivered afterward.
        """
        self._undelivered.append(effects)
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._undelivered:
                self._send_effects(self._undelivered.popleft())
        finally:
            self._is_delivering = False
        times = (self.router.due, self.replay_rooms.due)
        due = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            if self._timer_at == due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _send_effects(self, effects: Effects) -> None:
        for frame in effects.frames:
            for member in frame.to:
                viewer = self._viewers.get(member)
                if viewer is not None:
                    send = (
                        viewer.websocket.send_droppable
                        if frame.droppable
                        else viewer.websocket.send
                    )
                    send(frame.data)
        for node, message in effects.node_messages:
            if self.on_node_message is not None:
                self.on_node_message(node, message)
        for member in effects.expelled:
            if member in self._viewers:
                self._viewers[member].expel()

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._deliver(self.router.tick(now))
        self._deliver(self.replay_rooms.tick(now))

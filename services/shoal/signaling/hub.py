"""Where sockets, the room, the programme and the figures meet; every event is handled in one go.

No method here awaits, so what one event causes is queued everywhere before the next is looked at:
that keeps the roster's order on every socket.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager

from msgspec import Raw
from picows import WSCloseCode

from shoal.announcements import FromBroadcaster, Stream
from shoal.segments import Descriptor
from shoal.signaling.figures import FigureRefusal, Figures
from shoal.signaling.programme import Programme
from shoal.signaling.rooms.messages import MemberId, Stats, encode
from shoal.signaling.rooms.rooms import Rooms
from shoal.signaling.rooms.roster import Outgoing, Seat
from shoal.signaling.totals import Totals
from shoal.signaling.websockets import Socket
from shoal.station import SignalingStats, Viewers, share

MEMBER_ID_BYTES = 9
"""72 random bits: 12 characters"""


class Hub:
    """The state of one signaling process. Must be made inside a running event loop."""

    def __init__(self) -> None:
        self.programme = Programme()
        self.figures = Figures()
        self.broadcaster: Socket | None = None
        """the one that is listened to"""
        self.on_announced: Callable[[FromBroadcaster], None] | None = None
        """told what our broadcaster announces"""
        self.on_broadcaster: Callable[[], None] | None = None
        """told when a broadcaster connects here"""
        self._elsewhere = Totals()
        self._rooms_elsewhere: int = 0
        self._broadcasters_elsewhere: int = 0
        self._rooms = Rooms()
        self._members: dict[MemberId, Socket] = {}
        self._watchers: set[asyncio.Event] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def totals(self) -> Totals:
        """Return the sums over the viewers of all signaling processes."""
        return self.figures.totals() + self._elsewhere

    @property
    def viewers(self) -> int:
        """Members of rooms now, of all signaling processes."""
        return len(self._rooms) + self._elsewhere.viewers

    @property
    def own_rooms(self) -> int:
        """Rooms with members in this process."""
        return self._rooms.rooms

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

    def count_elsewhere(self, totals: Totals, rooms: int, broadcasters: int) -> None:
        """Take the sums of the other signaling processes."""
        now = (totals, rooms, broadcasters)
        if now != (self._elsewhere, self._rooms_elsewhere, self._broadcasters_elsewhere):
            self._elsewhere, self._rooms_elsewhere, self._broadcasters_elsewhere = now
            self._notify()

    def join(self, socket: Socket, seat: Seat, address: str) -> MemberId:
        """Seat a viewer that is written to through `socket`; return its new id."""
        member = MemberId(secrets.token_urlsafe(MEMBER_ID_BYTES))
        now = self._loop.time()
        self._members[member] = socket
        self.figures.joined(member, seat.variant, now, sharing=seat.sharing)
        self._change(
            self._rooms.join(
                member,
                seat,
                address,
                on_air=self.programme.on_air,
                recent=self.programme.recent(seat.variant),
                now=now,
            )
        )
        self._notify()
        return member

    def leave(self, member: MemberId) -> None:
        """Take a viewer out; its figures stay in the totals."""
        del self._members[member]
        self.figures.left(member)
        self._change(self._rooms.leave(member, self._loop.time()))
        self._notify()

    def ready(self, member: MemberId) -> None:
        """Let a viewer own slices."""
        self._change(self._rooms.ready(member, self._loop.time()))

    def switch(self, member: MemberId, variant: int) -> None:
        """Let a viewer share another rendition."""
        self.figures.switched(member, variant)
        self._change(self._rooms.switch(member, variant, self._loop.time()))

    def upload(self, member: MemberId, *, upload: bool) -> None:
        """Let a viewer send to others, or not."""
        self._change(self._rooms.upload(member, self._loop.time(), upload=upload))

    def links(self, member: MemberId, cut: Collection[MemberId]) -> None:
        """Note to whom a viewer has no link."""
        self._change(self._rooms.links(member, cut, self._loop.time()))

    def complain(self, sender: MemberId, about: MemberId) -> Socket | None:
        """Take a complaint about a viewer; return its socket when it is to be expelled."""
        return self._members[about] if self._rooms.report(sender, about) else None

    def signal(self, sender: MemberId, to: MemberId, data: Raw) -> None:
        """Pass on what a viewer says to another of its room."""
        for outgoing in self._rooms.signal(sender, to, data):
            frame = encode(outgoing.message)
            for member in outgoing.to:
                self._members[member].relay(frame)

    def report(self, member: MemberId, stats: Stats) -> FigureRefusal | None:
        """Take a viewer's figures, or say why they cannot be true."""
        now = self._loop.time()
        refusal = self.figures.report(member, stats, now)
        if refusal is None and stats.uplink_bps is not None:
            self._rooms.uplink(member, stats.uplink_bps, now)
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
            self._send(self._rooms.stream(on_air))

    def segment(self, descriptor: Descriptor) -> None:
        """Take a published segment, and announce it if it is news."""
        if self.programme.publish(descriptor):
            self.figures.announced(descriptor.variant, descriptor.size)
            self._change(self._rooms.segment(descriptor, self._loop.time()))
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
            share=share(totals.bytes, totals.startup),
            stalls=totals.stalls,
            latency_s=totals.latency_s,
            live=self.programme.on_air.live,
            stream=self.programme.on_air.stream,
        )

    def each_viewer(self) -> Viewers:
        """Return what `/viewers` says."""
        return Viewers(self.figures.viewers(self._loop.time(), time.time()))

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

    def _send(self, messages: Sequence[Outgoing]) -> None:
        for outgoing in messages:
            frame = encode(outgoing.message)
            for member in outgoing.to:
                self._members[member].put(frame)

    def _change(self, messages: Sequence[Outgoing]) -> None:
        """Send what a change of the roster causes now, and set the timer for what it owes."""
        self._send(messages)
        due = self._rooms.due
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._change(self._rooms.tick(self._loop.time()))

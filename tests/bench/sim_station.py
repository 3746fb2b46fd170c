"""The station of `make sim`: the product's rooms, and viewers that do what the player does.

Events happen in the order of their time. A viewer's words take LATENCY_S to signaling and are
handled one by one; what signaling says is heard at once. Nothing here is encoded or sent.
"""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence

from shoal.announcements import Stream
from shoal.segments import Descriptor, piece_size_for
from shoal.signaling.rooms.messages import MemberId, RosterEntry, RosterMessage, SegmentMessage
from shoal.signaling.rooms.room import ROSTER_INTERVAL_S, MemberState, Outgoing
from shoal.signaling.rooms.rooms import Rooms
from tests.bench.sim_crowd import SEGMENT_S, Crowd, Viewer
from tests.bench.sim_exchange import SEGMENT_BYTES
from tests.bench.sim_links import Attempt, Pairs, retry_after_s

LATENCY_S = 0.05
RECENT = 6
"""segments that a newcomer is told"""
REPORT_S = 10.0
READY_SHARE = 0.8
SIGNALS = 4
"""of an attempt to connect: offer, answer, and a batch of candidates from each side"""
ON_AIR = Stream("sim", live=True)

OnSegment = Callable[[Descriptor, list[list[Viewer]]], None]
"""told of each segment, with the members of each room in the order of its roster"""


class Station:
    """Runs from 0 s on."""

    def __init__(self, crowd: Crowd, pairs: Pairs, on_segment: OnSegment) -> None:
        self.now = 0.0
        self.viewers: dict[MemberId, Viewer] = {}
        self.messages = Counter[str]()
        """from and to viewers, by their type"""
        self.joined = 0
        self._crowd = crowd
        self._pairs = pairs
        self._on_segment = on_segment
        self._rooms = Rooms()
        self._recent = deque[Descriptor](maxlen=RECENT)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._last_roster: tuple[tuple[RosterEntry, ...], frozenset[MemberId]] = ((), frozenset())
        for viewer in crowd.first():
            self._at(viewer.came_at, lambda viewer=viewer: self._join(viewer))
        self._at(0.0, self._tick)
        self._at(SEGMENT_S, lambda: self._announce(0))
        self._at(REPORT_S, self._report)

    def run(self, until: float) -> None:
        """Let everything happen that happens before then."""
        while self._events[0][0] < until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _join(self, viewer: Viewer) -> None:
        self.viewers[viewer.id] = viewer
        self.joined += 1
        self.messages["join"] += 1
        self._at(viewer.leaves_at, lambda: self._leave(viewer))
        seat = MemberState(0, sharing=True, upload=viewer.upload)
        self._hear(
            self._rooms.join(
                viewer.id,
                seat,
                str(viewer.number),
                stream=ON_AIR,
                recent=tuple(self._recent),
                now=self.now,
            )
        )

    def _leave(self, viewer: Viewer) -> None:
        del self.viewers[viewer.id]
        self._hear(self._rooms.leave(viewer.id, self.now))
        newcomer = self._crowd.instead_of(viewer)
        self._at(newcomer.came_at, lambda: self._join(newcomer))

    def _tick(self) -> None:
        self._hear(self._rooms.tick(self.now))
        self._at(self.now + ROSTER_INTERVAL_S, self._tick)

    def _report(self) -> None:
        self.messages["stats"] += len(self.viewers)
        for viewer in self.viewers.values():
            bps = viewer.uplink.measured_bps(self.now)
            if bps is not None:
                self._rooms.set_uplink(viewer.id, bps, self.now)
        self._at(self.now + REPORT_S, self._report)

    def _announce(self, sequence: int) -> None:
        descriptor = descriptor_of(sequence)
        self._recent.append(descriptor)
        sent = self._rooms.publish(descriptor, self.now)
        self._hear(sent)
        rooms: list[list[Viewer]] = []
        for outgoing in sent:
            if isinstance(outgoing.message, SegmentMessage):
                told = self._told(outgoing)
                rooms.append([self.viewers[line.id] for line in told.members])
        self._on_segment(descriptor, rooms)
        self._at(self.now + SEGMENT_S, lambda: self._announce(sequence + 1))

    def _told(self, announced: Outgoing) -> RosterMessage:
        """Return the roster that everybody who hears of a segment plans it with."""
        rosters = [self.viewers[member].room for member in announced.to]
        first = rosters[0]
        assert isinstance(announced.message, SegmentMessage)
        assert first is not None
        for roster in rosters:
            assert roster is not None
            assert (roster.room, roster.epoch) == (first.room, announced.message.epoch)
        return first

    def _hear(self, sent: Sequence[Outgoing]) -> None:
        for outgoing in sent:
            message = outgoing.message
            self.messages[KINDS.get(type(message), "stream")] += len(outgoing.to)
            if isinstance(message, RosterMessage):
                self._enter(self.viewers[message.you], message)

    def _enter(self, viewer: Viewer, room: RosterMessage) -> None:
        """Take a roster: call the others of a new room, and say what changed."""
        before, viewer.room = viewer.room, room
        viewer.here = self._ids(room)
        if before is None or before.room != room.room:
            viewer.first = viewer.here - {viewer.id}
            viewer.said_cut = set()
            viewer.said_ready = any(line.ready for line in room.members if line.id == viewer.id)
            others = [self.viewers[line.id] for line in room.members if line.id != viewer.id]
            to_call = [other for other in others if other.id not in viewer.links]
            for attempt in self._pairs.call(viewer, to_call, self.now):
                self.messages["signal"] += 2 * SIGNALS
                self._at(attempt.at, lambda attempt=attempt: self._called(viewer, attempt, 1))
            self._speak_later(viewer)
        elif not (viewer.said_ready and viewer.said_cut <= viewer.here):
            self._speak_later(viewer)

    def _ids(self, room: RosterMessage) -> frozenset[MemberId]:
        """Return who is in a roster; the same one is told to many, one after the other."""
        members, ids = self._last_roster
        if room.members is not members:
            ids = frozenset(line.id for line in room.members)
            self._last_roster = (room.members, ids)
        return ids

    def _called(self, caller: Viewer, attempt: Attempt, times: int) -> None:
        """A call ended."""
        other = attempt.to
        if not self._share_a_room(caller, other):
            return
        if attempt.connected:
            caller.links.add(other.id)
            other.links.add(caller.id)
            if not caller.said_ready:
                self._speak_later(caller)
        else:
            caller.cut.add(other.id)
            other.cut.add(caller.id)
            again_at = self.now + retry_after_s(times)
            self._at(again_at, lambda: self._call_again(caller, other, times + 1))
            self._speak_later(caller)
            self._speak_later(other)

    def _call_again(self, caller: Viewer, other: Viewer, times: int) -> None:
        if self._share_a_room(caller, other):
            self.messages["signal"] += 2 * SIGNALS
            (attempt,) = self._pairs.call(caller, [other], self.now)
            self._at(attempt.at, lambda: self._called(caller, attempt, times))

    def _share_a_room(self, one: Viewer, other: Viewer) -> bool:
        here = one.id in self.viewers and other.id in self.viewers
        return (
            here
            and one.room is not None
            and other.room is not None
            and (one.room.room == other.room.room)
        )

    def _speak_later(self, viewer: Viewer) -> None:
        self._at(self.now + LATENCY_S, lambda: self._speak(viewer))

    def _speak(self, viewer: Viewer) -> None:
        """Say which links are missing, and that enough of the others are open."""
        if viewer.id not in self.viewers:
            return
        viewer.cut &= viewer.here
        if viewer.cut != viewer.said_cut:
            viewer.said_cut = set(viewer.cut)
            self.messages["links"] += 1
            self._hear(self._rooms.set_unreachable(viewer.id, viewer.said_cut, self.now))
        if not viewer.said_ready and self._may_be_ready(viewer):
            viewer.said_ready = True
            self.messages["ready"] += 1
            self._hear(self._rooms.set_ready(viewer.id, self.now))

    def _may_be_ready(self, viewer: Viewer) -> bool:
        """Follow `mayBeReady` of player/src/room/roster.ts."""
        first = viewer.first & viewer.here
        reachable = first - viewer.cut
        if first and not reachable:
            return bool(viewer.here & viewer.links)
        return len(reachable & viewer.links) >= READY_SHARE * len(reachable)


KINDS = {RosterMessage: "room", SegmentMessage: "segment"}


def descriptor_of(sequence: int) -> Descriptor:
    """Return a segment like those of the station's stream."""
    piece_size = piece_size_for(SEGMENT_BYTES)
    return Descriptor(
        variant=0,
        sequence=sequence,
        name=f"stream-sim-{sequence}.ts",
        url=f"http://store.example/live/0/stream-sim-{sequence}.ts",
        size=SEGMENT_BYTES,
        duration=SEGMENT_S,
        program_date_time="2030-01-01T00:00:00.000Z",
        discontinuity=False,
        sha256="00" * 32,
        piece_size=piece_size,
        pieces=("",) * -(-SEGMENT_BYTES // piece_size),
    )

"""The station of `make sim`: the product's rooms, and viewers that behave like the player.

Events happen in the order of their time. A viewer's message takes LATENCY_S to signaling; messages
from signaling arrive at once. Nothing is encoded or sent.
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
"""segments that a new viewer learns of"""
REPORT_S = 10.0
READY_LINKS_FRACTION = 0.8
SIGNALS = 4
"""messages of an attempt to connect: offer, answer, and a batch of candidates from each side"""
ON_AIR = Stream("sim", live=True)

OnSegment = Callable[[Descriptor, list[list[Viewer]]], None]
"""called for each segment, with the members of each room in the order of its roster"""


class Station:
    """The station from second 0 on. Times are seconds."""

    def __init__(self, crowd: Crowd, pairs: Pairs, on_segment: OnSegment) -> None:
        self.now = 0.0
        self.viewers: dict[MemberId, Viewer] = {}
        self.messages = Counter[str]()
        """sent and received by viewers, by type"""
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
            self._schedule(viewer.joins_at, lambda viewer=viewer: self._join(viewer))
        self._schedule(0.0, self._tick)
        self._schedule(SEGMENT_S, lambda: self._announce(0))
        self._schedule(REPORT_S, self._report)

    def run(self, until: float) -> None:
        """Run all events before this time."""
        while self._events[0][0] < until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def _schedule(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _join(self, viewer: Viewer) -> None:
        self.viewers[viewer.id] = viewer
        self.joined += 1
        self.messages["join"] += 1
        self._schedule(viewer.leaves_at, lambda: self._leave(viewer))
        state = MemberState(0, sharing=True, upload=viewer.upload)
        self._deliver(
            self._rooms.join(
                viewer.id,
                state,
                str(viewer.number),
                stream=ON_AIR,
                recent=tuple(self._recent),
                now=self.now,
            )
        )

    def _leave(self, viewer: Viewer) -> None:
        del self.viewers[viewer.id]
        self._deliver(self._rooms.leave(viewer.id, self.now))
        newcomer = self._crowd.replacement(viewer)
        self._schedule(newcomer.joins_at, lambda: self._join(newcomer))

    def _tick(self) -> None:
        self._deliver(self._rooms.tick(self.now))
        self._schedule(self.now + ROSTER_INTERVAL_S, self._tick)

    def _report(self) -> None:
        self.messages["stats"] += len(self.viewers)
        for viewer in self.viewers.values():
            bps = viewer.uplink.measured_bps(self.now)
            if bps is not None:
                self._rooms.set_uplink(viewer.id, bps, self.now)
        self._schedule(self.now + REPORT_S, self._report)

    def _announce(self, sequence: int) -> None:
        descriptor = descriptor_of(sequence)
        self._recent.append(descriptor)
        sent = self._rooms.publish(descriptor, self.now)
        self._deliver(sent)
        rooms: list[list[Viewer]] = []
        for outgoing in sent:
            if isinstance(outgoing.message, SegmentMessage):
                roster = self._roster_of(outgoing)
                rooms.append([self.viewers[entry.id] for entry in roster.members])
        self._on_segment(descriptor, rooms)
        self._schedule(self.now + SEGMENT_S, lambda: self._announce(sequence + 1))

    def _roster_of(self, announced: Outgoing) -> RosterMessage:
        """Return the roster with which all receivers of an announcement plan the segment."""
        rosters = [self.viewers[member].roster for member in announced.to]
        first = rosters[0]
        assert isinstance(announced.message, SegmentMessage)
        assert first is not None
        for roster in rosters:
            assert roster is not None
            assert (roster.room, roster.epoch) == (first.room, announced.message.epoch)
        return first

    def _deliver(self, sent: Sequence[Outgoing]) -> None:
        for outgoing in sent:
            message = outgoing.message
            self.messages[KINDS.get(type(message), "stream")] += len(outgoing.to)
            if isinstance(message, RosterMessage):
                self._on_roster(self.viewers[message.you], message)

    def _on_roster(self, viewer: Viewer, roster: RosterMessage) -> None:
        """Handle a roster: connect to the members of a new room, and report what has changed."""
        before, viewer.roster = viewer.roster, roster
        viewer.member_ids = self._ids(roster)
        if before is None or before.room != roster.room:
            viewer.first_members = viewer.member_ids - {viewer.id}
            viewer.reported_unreachable = set()
            viewer.reported_ready = any(
                entry.ready for entry in roster.members if entry.id == viewer.id
            )
            others = [self.viewers[entry.id] for entry in roster.members if entry.id != viewer.id]
            unlinked = [other for other in others if other.id not in viewer.links]
            for attempt in self._pairs.connect(viewer, unlinked, self.now):
                self.messages["signal"] += 2 * SIGNALS
                self._schedule(
                    attempt.at, lambda attempt=attempt: self._attempt_ended(viewer, attempt, 1)
                )
            self._report_later(viewer)
        elif not (viewer.reported_ready and viewer.reported_unreachable <= viewer.member_ids):
            self._report_later(viewer)

    def _ids(self, roster: RosterMessage) -> frozenset[MemberId]:
        """Return the ids in a roster, cached: many members get the same one in succession."""
        members, ids = self._last_roster
        if roster.members is not members:
            ids = frozenset(entry.id for entry in roster.members)
            self._last_roster = (roster.members, ids)
        return ids

    def _attempt_ended(self, offerer: Viewer, attempt: Attempt, times: int) -> None:
        """Handle the end of an attempt to connect; `times`: attempts so far."""
        other = attempt.to
        if not self._share_a_room(offerer, other):
            return
        if attempt.connected:
            offerer.links.add(other.id)
            other.links.add(offerer.id)
            if not offerer.reported_ready:
                self._report_later(offerer)
        else:
            offerer.unreachable.add(other.id)
            other.unreachable.add(offerer.id)
            retry_at = self.now + retry_after_s(times)
            self._schedule(retry_at, lambda: self._retry(offerer, other, times + 1))
            self._report_later(offerer)
            self._report_later(other)

    def _retry(self, offerer: Viewer, other: Viewer, times: int) -> None:
        if self._share_a_room(offerer, other):
            self.messages["signal"] += 2 * SIGNALS
            (attempt,) = self._pairs.connect(offerer, [other], self.now)
            self._schedule(attempt.at, lambda: self._attempt_ended(offerer, attempt, times))

    def _share_a_room(self, one: Viewer, other: Viewer) -> bool:
        present = one.id in self.viewers and other.id in self.viewers
        return (
            present
            and one.roster is not None
            and other.roster is not None
            and one.roster.room == other.roster.room
        )

    def _report_later(self, viewer: Viewer) -> None:
        self._schedule(self.now + LATENCY_S, lambda: self._report_state(viewer))

    def _report_state(self, viewer: Viewer) -> None:
        """Report unreachable members, and readiness once enough links are open."""
        if viewer.id not in self.viewers:
            return
        viewer.unreachable &= viewer.member_ids
        if viewer.unreachable != viewer.reported_unreachable:
            viewer.reported_unreachable = set(viewer.unreachable)
            self.messages["links"] += 1
            self._deliver(
                self._rooms.set_unreachable(viewer.id, viewer.reported_unreachable, self.now)
            )
        if not viewer.reported_ready and self._may_be_ready(viewer):
            viewer.reported_ready = True
            self.messages["ready"] += 1
            self._deliver(self._rooms.set_ready(viewer.id, self.now))

    def _may_be_ready(self, viewer: Viewer) -> bool:
        """Follow `mayBeReady` of player/src/room/roster.ts."""
        first = viewer.first_members & viewer.member_ids
        reachable = first - viewer.unreachable
        if first and not reachable:
            return bool(viewer.member_ids & viewer.links)
        return len(reachable & viewer.links) >= READY_LINKS_FRACTION * len(reachable)


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

"""How one segment travels in one room of `make sim`. No I/O.

The plan is the product's, and viewers behave as in player/src/engine. A piece arrives when its
sender's uplink has sent it. Downlinks do not limit it, and nothing is lost on the way. The model:

- Owners fetch their slices from the store and push every piece to each linked member; relays pass
  on what they have; a member that has left sends nothing.
- Repair follows docs/protocol.md: every viewer checks every REPAIR_INTERVAL_S what it lacks.
- At its deadline, a viewer fetches what it lacks from the store. The deadline is MAX_DEADLINE_S and
  the store's time before its buffer is empty, as its target latency has it; but no later than the
  next segment, and earlier where uplinks are short.
- At start-up, a viewer takes what is pushed to it, and the rest from the store at once.
"""

import heapq
import math
from collections.abc import Callable, Sequence

from shoal.segments import Descriptor
from shoal.signaling.rooms.messages import RosterMessage
from shoal.signaling.rooms.plan import PlanMember, Slice, piece_count, plan, relay
from tests.bench.sim_crowd import SEGMENT_S, Viewer
from tests.bench.sim_latency import PEER_DEADLINE_SEGMENTS
from tests.bench.sim_repair import RepairView, repair
from tests.bench.sim_results import Receipt

STORE_S = 0.1
"""from a request to the store until its first byte"""
DOWNLINK_BYTES_PER_S = 40e6 / 8
SEGMENT_BYTES = 1_200_000
REPAIR_INTERVAL_S = 0.2
HAVE_INTERVAL_S = 0.5
"""between a member's announcements of the pieces that it has of a late segment"""
LATE_S = 0.5
"""a segment that the store completed would have taken peers at least this much longer"""
REQUEST_TIMEOUT_S = 1.0


def exchange(
    members: Sequence[Viewer], roster: RosterMessage, descriptor: Descriptor, at: float
) -> list[Receipt]:
    """Exchange a segment that is announced at `at`, in one room.

    `members` are the viewers in `roster`, in its order. Returns the receipts of the members that
    stay until the next segment.
    """
    return _Exchange(members, roster, descriptor, at).run()


class _Exchange:
    """One segment on its way through one room; members by their index, their pieces as bits."""

    def __init__(
        self, members: Sequence[Viewer], roster: RosterMessage, descriptor: Descriptor, at: float
    ) -> None:
        self._members = members
        self._at = at
        self._events: list[tuple[float, int, Callable[[float, int], None], int]] = []
        self._order = 0
        self._sizes = piece_sizes(descriptor)
        ids = [entry.id for entry in roster.members]
        planned = [
            PlanMember(entry.id, entry.weight, frozenset(ids[index] for index in entry.unreachable))
            for entry in roster.members
        ]
        ready = [one for one, entry in zip(planned, roster.members, strict=True) if entry.ready]
        ready.sort(key=lambda one: one.id)
        size, piece_size = descriptor.size, descriptor.piece_size
        slices = plan(ready, descriptor.sequence, size, piece_size, roster.origin_share)
        self._slice_of = [one for one in slices for _ in range(one.first, one.end)]
        indexes = {str(member): index for index, member in enumerate(ids)}
        self._owner = [indexes[one.owner] for one in self._slice_of]
        all_members = range(len(members))
        self._linked = [
            [to for to, other in enumerate(members) if other.id in one.links] for one in members
        ]
        shared = len(self._slice_of)
        self._all = (1 << len(self._sizes)) - 1
        origin_share = self._all & ~((1 << shared) - 1)
        self._has = [origin_share for _ in all_members]
        self._announced = [0 for _ in all_members]
        self._announced_at = [at for _ in all_members]
        self._received_at = [dict[int, float]() for _ in all_members]
        """when each sender last delivered a piece"""
        self._fetching = [0 for _ in all_members]
        """pieces under way from the store"""
        self._stepped_in = [0 for _ in all_members]
        self._requested = [dict[int, tuple[int, float]]() for _ in all_members]
        """pieces requested from a member: by whom, and when"""
        self._sending: list[list[tuple[int, int]] | None] = [None for _ in all_members]
        """(receiver, piece) under way from each member; None: its uplink is idle"""
        self._receipts = [Receipt(viewer=viewer) for viewer in members]
        for receipt in self._receipts:
            receipt.store = sum(self._sizes[shared:])
        self._pushed_by = [[self._owner[piece] for piece in range(shared)] for _ in all_members]
        self._relays = [dict[int, list[int]]() for _ in all_members]
        """pieces that a member relays, and to whom"""
        self._set_relays(slices, planned, ready, indexes, descriptor.sequence)
        self._unpushed = [
            sum(1 << piece for piece, by in enumerate(self._pushed_by[index]) if by not in linked)
            for index, linked in enumerate(map(set, self._linked))
        ]
        """pieces that a member will not get pushed, because it has no link to their pusher"""

    def run(self) -> list[Receipt]:
        """Run until the next segment; return the receipts of the members that are still there."""
        short = 0 < len(self._owner) < len(self._sizes)
        for index, viewer in enumerate(self._members):
            own = [piece for piece, owner in enumerate(self._owner) if owner == index]
            if own:
                self._fetch(self._at, index, own)
            if viewer.started:
                self._schedule(self._at + REPAIR_INTERVAL_S, self._repair, index)
            else:
                self._take_from_store(index)
            self._schedule(self._at + deadline_s(viewer, short=short), self._at_deadline, index)
        while self._events and self._events[0][0] < self._at + SEGMENT_S:
            now, _, act, index = heapq.heappop(self._events)
            if now < self._members[index].leaves_at:
                act(now, index)
        self._events.clear()  # they refer to this exchange
        return self._close()

    def _set_relays(
        self,
        slices: Sequence[Slice],
        planned: Sequence[PlanMember],
        ready: Sequence[PlanMember],
        indexes: dict[str, int],
        sequence: int,
    ) -> None:
        for slice_ in slices:
            owner = planned[indexes[slice_.owner]]
            for index, receiver in enumerate(planned):
                if owner.id not in receiver.unreachable and receiver.id not in owner.unreachable:
                    continue
                relay_id = relay(ready, sequence, slice_, receiver)
                if relay_id is None:
                    continue
                by = indexes[relay_id]
                for piece in range(slice_.first, slice_.end):
                    self._pushed_by[index][piece] = by
                    if index in self._linked[by]:
                        self._relays[by].setdefault(piece, []).append(index)

    def _schedule(self, when: float, act: Callable[[float, int], None], index: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, act, index))

    def _fetch(self, now: float, index: int, pieces: Sequence[int]) -> None:
        """Let a member fetch pieces from the store, to push them on."""
        size = sum(self._sizes[piece] for piece in pieces)
        bits = sum(1 << piece for piece in pieces)
        self._fetching[index] |= bits
        arrives_at = now + STORE_S + size / DOWNLINK_BYTES_PER_S
        self._schedule(arrives_at, lambda then, by: self._fetched(then, by, bits), index)

    def _fetched(self, now: float, index: int, bits: int) -> None:
        self._fetching[index] &= ~bits
        receipt = self._receipts[index]
        uplink = self._members[index].uplink
        for piece, size in enumerate(self._sizes):
            if not bits >> piece & 1:
                continue
            if self._owner[piece] == index:
                receipt.store += size
            else:
                receipt.stepped_in += size
            self._has[index] |= 1 << piece
            for to in self._linked[index]:
                if not self._announced[to] >> piece & 1:
                    uplink.add(to, piece, size)
        self._complete(now, index)
        self._send(now, index)

    def _take_from_store(self, index: int) -> None:
        """At start-up, fetch from the store what will not be pushed."""
        for piece, owner in enumerate(self._owner):
            if owner != index and self._unpushed[index] >> piece & 1:
                self._receipts[index].late += self._sizes[piece]
                self._has[index] |= 1 << piece

    def _send(self, now: float, index: int) -> None:
        """Let a member's uplink send what is next."""
        if self._sending[index] is not None:
            return
        viewer = self._members[index]
        if viewer.uplink.free_at > now:  # still busy with the last segment
            self._sending[index] = []
            self._schedule(viewer.uplink.free_at, self._sent, index)
            return
        batch = viewer.uplink.send(now, self._sizes, self._wanted, viewer.leaves_at)
        if batch:
            self._sending[index] = batch
            self._schedule(viewer.uplink.free_at, self._sent, index)

    def _wanted(self, to: int, piece: int) -> bool:
        return not self._announced[to] >> piece & 1

    def _sent(self, now: float, index: int) -> None:
        batch = self._sending[index] or ()
        self._sending[index] = None
        for to, piece in batch:
            has = self._has[to] | self._fetching[to]
            if not has >> piece & 1 and self._members[to].leaves_at > now:
                self._arrive(now, index, to, piece)
        self._send(now, index)

    def _arrive(self, now: float, by: int, index: int, piece: int) -> None:
        """Note a piece from a member, and relay it to members without a link to its owner."""
        self._has[index] |= 1 << piece
        self._received_at[index][by] = now
        viewer, receipt, size = self._members[index], self._receipts[index], self._sizes[piece]
        if by == self._pushed_by[index][piece]:
            receipt.pushed += size
            viewer.expected.add(now - self._at)
        elif self._stepped_in[by] >> piece & 1:
            receipt.from_successor += size
        else:
            receipt.requested += size
        self._requested[index].pop(piece, None)
        relayed = self._relays[index].get(piece, ())
        for to in relayed:
            viewer.uplink.add(to, piece, size)
        if relayed:
            self._send(now, index)
        self._complete(now, index)

    def _complete(self, now: float, index: int) -> None:
        if self._has[index] == self._all and self._announced[index] != self._all:
            self._announced[index] = self._all
            if self._members[index].started:
                late = LATE_S if self._receipts[index].late else 0.0
                self._members[index].target_latency.completed(now - self._at + late)

    def _at_deadline(self, now: float, index: int) -> None:
        """Let a member fetch what it lacks from the store."""
        missing = self._all & ~self._has[index] & ~self._fetching[index]
        size = sum(one for piece, one in enumerate(self._sizes) if missing >> piece & 1)
        if size:
            self._receipts[index].late += size
            self._fetching[index] |= missing
            self._schedule(
                now + STORE_S + size / DOWNLINK_BYTES_PER_S, self._complete_from_store, index
            )

    def _complete_from_store(self, now: float, index: int) -> None:
        self._has[index] = self._all
        self._complete(now, index)

    def _repair(self, now: float, index: int) -> None:
        """Let a member request or fetch late pieces."""
        if self._has[index] == self._all:
            return
        viewer = self._members[index]
        elapsed_s, expected_s = now - self._at, viewer.expected.seconds
        late = elapsed_s >= expected_s
        has = self._has[index] | self._fetching[index]
        self._schedule(now + REPAIR_INTERVAL_S, self._repair, index)
        if not late and not self._unpushed[index] & ~has:
            return
        requested = self._requested[index]
        for piece, (by, since) in list(requested.items()):
            if now - since >= max(REQUEST_TIMEOUT_S, expected_s):
                del requested[piece]
                self._announced[by] &= ~(1 << piece)
        if late and now - self._announced_at[index] >= HAVE_INTERVAL_S:
            self._announced[index], self._announced_at[index] = self._has[index], now
        received_at, pushed_by = self._received_at[index], self._pushed_by[index]
        missing = [
            (
                *(piece, slice_, not self._unpushed[index] >> piece & 1),
                now - received_at.get(pushed_by[piece], -math.inf),
            )
            for piece, slice_ in enumerate(self._slice_of)
            if not has >> piece & 1 and piece not in requested
        ]
        open_requests = [by for by, _ in requested.values()]
        linked = self._linked[index]
        view = RepairView(
            viewer.id, elapsed_s, expected_s, missing, linked, self._announced, open_requests.count
        )
        requests, successor_pieces = repair(view)
        for piece, by in requests:
            requested[piece] = (by, now)
            self._members[by].uplink.add(index, piece, self._sizes[piece])
            self._send(now, by)
        if successor_pieces:
            self._stepped_in[index] |= sum(1 << piece for piece in successor_pieces)
            self._fetch(now, index, successor_pieces)

    def _close(self) -> list[Receipt]:
        """Drop what is still queued; return the receipts of the members that are still there."""
        for viewer in self._members:
            viewer.uplink.clear()
        until = self._at + SEGMENT_S
        return [receipt for receipt in self._receipts if receipt.viewer.leaves_at >= until]


def deadline_s(viewer: Viewer, *, short: bool = False) -> float:
    """Return a viewer's deadline, seconds after the announcement; `short`: uplinks are short."""
    wait_s = (
        viewer.playlist_delay_s
        + viewer.target_latency.needed_in_s()
        - viewer.target_latency.deadline_s
        - STORE_S
    )
    if short:
        wait_s = min(wait_s, max(viewer.playlist_delay_s, PEER_DEADLINE_SEGMENTS * SEGMENT_S))
    return max(0.0, min(wait_s, SEGMENT_S - 2 * STORE_S - SEGMENT_BYTES / DOWNLINK_BYTES_PER_S))


def piece_sizes(descriptor: Descriptor) -> list[int]:
    """Return the bytes of each piece."""
    count = piece_count(descriptor.size, descriptor.piece_size)
    last = descriptor.size - (count - 1) * descriptor.piece_size
    return [descriptor.piece_size] * (count - 1) + [last]

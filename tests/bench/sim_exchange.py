"""How one segment travels in one room of `make sim`. No I/O.

The plan is the product's, and what viewers do follows the player (player/src/engine). A piece is
what moves: it arrives when its sender's uplink has sent it; receivers' links are no limit, and
nothing is lost on the way. Modelled are:

- Owners fetch their slices from the store and send every piece to each linked member, relays pass
  on what they have, and who leaves sends nothing more.
- Repair by docs/protocol.md: every viewer looks every LOOK_S at what it lacks.
- At its deadline (two seconds, and what the store takes, before the player runs dry, by its delay
  behind live; before the next segment at the latest, and sooner where uplinks are short) a viewer
  fetches what it lacks from the store.
- In its start-up a viewer takes what is pushed to it, and the rest from the store at once.
"""

import heapq
import math
from collections.abc import Callable, Sequence

from shoal.segments import Descriptor
from shoal.signaling.rooms.messages import RosterMessage
from shoal.signaling.rooms.plan import PlanMember, Slice, piece_count, plan, relay
from tests.bench.sim_crowd import SEGMENT_S, Viewer
from tests.bench.sim_latency import SHORT_PATIENCE
from tests.bench.sim_repair import Damage, repair
from tests.bench.sim_results import Receipt

STORE_S = 0.1
"""from a request to the store until its first byte"""
DOWNLINK_BYTES_PER_S = 40e6 / 8
SEGMENT_BYTES = 1_200_000
LOOK_S = 0.2
HAVE_S = 0.5
"""members say that often what they have of a segment that is late"""
LATE_S = 0.5
"""a segment that the store had to complete took peers so much longer, at the least"""
REQUEST_TIMEOUT_S = 1.0


def exchange(
    members: Sequence[Viewer], told: RosterMessage, descriptor: Descriptor, at: float
) -> list[Receipt]:
    """Share out a segment that is announced now.

    `members` are the viewers in `told`, in its order. The receipts are those of members that stay
    until the next one.
    """
    return _Exchange(members, told, descriptor, at).run()


class _Exchange:
    """One segment on its way through one room; members by their place, what they have as bits."""

    def __init__(
        self, members: Sequence[Viewer], told: RosterMessage, descriptor: Descriptor, at: float
    ) -> None:
        self._members = members
        self._at = at
        self._events: list[tuple[float, int, Callable[[float, int], None], int]] = []
        self._order = 0
        self._sizes = piece_sizes(descriptor)
        ids = [line.id for line in told.members]
        planned = [
            PlanMember(line.id, line.weight, frozenset(ids[place] for place in line.unreachable))
            for line in told.members
        ]
        ready = [one for one, line in zip(planned, told.members, strict=True) if line.ready]
        ready.sort(key=lambda one: one.id)
        size, piece_size = descriptor.size, descriptor.piece_size
        slices = plan(ready, descriptor.sequence, size, piece_size, told.origin_share)
        self._slice_of = [part for part in slices for _ in range(part.first, part.end)]
        places = {str(member): place for place, member in enumerate(ids)}
        self._owner = [places[part.owner] for part in self._slice_of]
        everybody = range(len(members))
        self._linked = [
            [to for to, other in enumerate(members) if other.id in one.links] for one in members
        ]
        shared = len(self._slice_of)
        self._all = (1 << len(self._sizes)) - 1
        of_everybody = self._all & ~((1 << shared) - 1)
        self._has = [of_everybody for _ in everybody]
        self._told = [0 for _ in everybody]
        self._told_at = [at for _ in everybody]
        self._heard_at = [dict[int, float]() for _ in everybody]
        """when a piece came last, by sender"""
        self._fetching = [0 for _ in everybody]
        """pieces that the store is bringing"""
        self._stepped_in = [0 for _ in everybody]
        self._requested = [dict[int, tuple[int, float]]() for _ in everybody]
        """pieces that a member was asked for, and when"""
        self._sending: list[list[tuple[int, int]] | None] = [None for _ in everybody]
        """pieces on their way from each member; None: its uplink is idle"""
        self._receipts = [Receipt(viewer=viewer) for viewer in members]
        for receipt in self._receipts:
            receipt.store = sum(self._sizes[shared:])
        self._pushed_by = [[self._owner[piece] for piece in range(shared)] for _ in everybody]
        self._relays = [dict[int, list[int]]() for _ in everybody]
        """to whom a member passes on which pieces"""
        self._set_relays(slices, planned, ready, places, descriptor.sequence)
        self._unpushed = [
            sum(1 << piece for piece, by in enumerate(self._pushed_by[place]) if by not in linked)
            for place, linked in enumerate(map(set, self._linked))
        ]
        """pieces that nobody is to push to a member: it has no link to who would"""

    def run(self) -> list[Receipt]:
        """Let everything happen until the deadline."""
        short = 0 < len(self._owner) < len(self._sizes)
        for place, viewer in enumerate(self._members):
            own = [piece for piece, owner in enumerate(self._owner) if owner == place]
            if own:
                self._fetch(self._at, place, own)
            if viewer.begun:
                self._do(self._at + LOOK_S, self._look, place)
            else:
                self._take_from_store(place)
            self._do(self._at + deadline_s(viewer, short=short), self._give_up, place)
        while self._events and self._events[0][0] < self._at + SEGMENT_S:
            now, _, act, place = heapq.heappop(self._events)
            if now < self._members[place].leaves_at:
                act(now, place)
        self._events.clear()  # they refer to this exchange
        return self._closed()

    def _set_relays(
        self,
        slices: Sequence[Slice],
        planned: Sequence[PlanMember],
        ready: Sequence[PlanMember],
        places: dict[str, int],
        sequence: int,
    ) -> None:
        for part in slices:
            owner = planned[places[part.owner]]
            for place, receiver in enumerate(planned):
                if owner.id not in receiver.unreachable and receiver.id not in owner.unreachable:
                    continue
                between = relay(ready, sequence, part, receiver)
                if between is None:
                    continue
                by = places[between]
                for piece in range(part.first, part.end):
                    self._pushed_by[place][piece] = by
                    if place in self._linked[by]:
                        self._relays[by].setdefault(piece, []).append(place)

    def _do(self, when: float, act: Callable[[float, int], None], place: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, act, place))

    def _fetch(self, now: float, place: int, pieces: Sequence[int]) -> None:
        """Let a member fetch pieces from the store, and hand them on."""
        size = sum(self._sizes[piece] for piece in pieces)
        bits = sum(1 << piece for piece in pieces)
        self._fetching[place] |= bits
        comes_at = now + STORE_S + size / DOWNLINK_BYTES_PER_S
        self._do(comes_at, lambda then, by: self._fetched(then, by, bits), place)

    def _fetched(self, now: float, place: int, bits: int) -> None:
        self._fetching[place] &= ~bits
        receipt = self._receipts[place]
        uplink = self._members[place].uplink
        for piece, size in enumerate(self._sizes):
            if not bits >> piece & 1:
                continue
            if self._owner[piece] == place:
                receipt.store += size
            else:
                receipt.stepped_in += size
            self._has[place] |= 1 << piece
            for to in self._linked[place]:
                if not self._told[to] >> piece & 1:
                    uplink.add(to, piece, size)
        self._complete(now, place)
        self._send(now, place)

    def _take_from_store(self, place: int) -> None:
        """Fetch what nobody pushes, for oneself."""
        for piece, owner in enumerate(self._owner):
            if owner != place and self._unpushed[place] >> piece & 1:
                self._receipts[place].late += self._sizes[piece]
                self._has[place] |= 1 << piece

    def _send(self, now: float, place: int) -> None:
        """Let a member's uplink go on."""
        if self._sending[place] is not None:
            return
        viewer = self._members[place]
        if viewer.uplink.free_at > now:  # with pieces of the last segment
            self._sending[place] = []
            self._do(viewer.uplink.free_at, self._sent, place)
            return
        batch = viewer.uplink.send(now, self._sizes, self._wanted, viewer.leaves_at)
        if batch:
            self._sending[place] = batch
            self._do(viewer.uplink.free_at, self._sent, place)

    def _wanted(self, to: int, piece: int) -> bool:
        return not self._told[to] >> piece & 1

    def _sent(self, now: float, place: int) -> None:
        batch = self._sending[place] or ()
        self._sending[place] = None
        for to, piece in batch:
            here = self._has[to] | self._fetching[to]
            if not here >> piece & 1 and self._members[to].leaves_at > now:
                self._arrive(now, place, to, piece)
        self._send(now, place)

    def _arrive(self, now: float, by: int, place: int, piece: int) -> None:
        """Note a piece from a member, and pass it on where that is this one's part."""
        self._has[place] |= 1 << piece
        self._heard_at[place][by] = now
        viewer, receipt, size = self._members[place], self._receipts[place], self._sizes[piece]
        if by == self._pushed_by[place][piece]:
            receipt.pushed += size
            viewer.expected.add(now - self._at)
        elif self._stepped_in[by] >> piece & 1:
            receipt.from_successor += size
        else:
            receipt.requested += size
        self._requested[place].pop(piece, None)
        relayed = self._relays[place].get(piece, ())
        for to in relayed:
            viewer.uplink.add(to, piece, size)
        if relayed:
            self._send(now, place)
        self._complete(now, place)

    def _complete(self, now: float, place: int) -> None:
        if self._has[place] == self._all and self._told[place] != self._all:
            self._told[place] = self._all
            if self._members[place].begun:
                late = LATE_S if self._receipts[place].late else 0.0
                self._members[place].delay.completed(now - self._at + late)

    def _give_up(self, now: float, place: int) -> None:
        """Let the store bring a member what it lacks, for itself."""
        missing = self._all & ~self._has[place] & ~self._fetching[place]
        size = sum(one for piece, one in enumerate(self._sizes) if missing >> piece & 1)
        if size:
            self._receipts[place].late += size
            self._fetching[place] |= missing
            self._do(now + STORE_S + size / DOWNLINK_BYTES_PER_S, self._whole, place)

    def _whole(self, now: float, place: int) -> None:
        self._has[place] = self._all
        self._complete(now, place)

    def _look(self, now: float, place: int) -> None:
        """Repair what a member lacks."""
        if self._has[place] == self._all:
            return
        viewer = self._members[place]
        elapsed_s, expected_s = now - self._at, viewer.expected.seconds
        late = elapsed_s >= expected_s
        here = self._has[place] | self._fetching[place]
        self._do(now + LOOK_S, self._look, place)
        if not late and not self._unpushed[place] & ~here:
            return
        requested = self._requested[place]
        for piece, (by, since) in list(requested.items()):
            if now - since >= max(REQUEST_TIMEOUT_S, expected_s):
                del requested[piece]
                self._told[by] &= ~(1 << piece)
        if late and now - self._told_at[place] >= HAVE_S:
            self._told[place], self._told_at[place] = self._has[place], now
        heard_at, pushed_by = self._heard_at[place], self._pushed_by[place]
        missing = [
            (
                *(piece, part, not self._unpushed[place] >> piece & 1),
                now - heard_at.get(pushed_by[piece], -math.inf),
            )
            for piece, part in enumerate(self._slice_of)
            if not here >> piece & 1 and piece not in requested
        ]
        asked = [by for by, _ in requested.values()]
        linked = self._linked[place]
        damage = Damage(viewer.id, elapsed_s, expected_s, missing, linked, self._told, asked.count)
        requests, step_in = repair(damage)
        for piece, by in requests:
            requested[piece] = (by, now)
            self._members[by].uplink.add(place, piece, self._sizes[piece])
            self._send(now, by)
        if step_in:
            self._stepped_in[place] |= sum(1 << piece for piece in step_in)
            self._fetch(now, place, step_in)

    def _closed(self) -> list[Receipt]:
        """Return what those received who are still there."""
        for viewer in self._members:
            viewer.uplink.clear()
        until = self._at + SEGMENT_S
        return [receipt for receipt in self._receipts if receipt.viewer.leaves_at >= until]


def deadline_s(viewer: Viewer, *, short: bool = False) -> float:
    """Return when a viewer waits no longer, after the announcement; `short`: the room's uplinks."""
    wait_s = viewer.asks_after_s + viewer.delay.needed_in_s() - viewer.delay.deadline_s - STORE_S
    if short:
        wait_s = min(wait_s, max(viewer.asks_after_s, SHORT_PATIENCE * SEGMENT_S))
    return max(0.0, min(wait_s, SEGMENT_S - 2 * STORE_S - SEGMENT_BYTES / DOWNLINK_BYTES_PER_S))


def piece_sizes(descriptor: Descriptor) -> list[int]:
    """Return the bytes of each piece."""
    count = piece_count(descriptor.size, descriptor.piece_size)
    last = descriptor.size - (count - 1) * descriptor.piece_size
    return [descriptor.piece_size] * (count - 1) + [last]

"""One room: its members, its roster, and the messages that keep both in step.

Plain and synchronous: an event and the time go in, messages come out. Three invariants:

* a member's epochs rise, and one epoch means the same roster to everybody;
* before `segment` with epoch E a member has received `room` with epoch E;
* a new member gets `stream`, `room` and the recent `segment`s before anything else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from shoal.announcements import Stream
from shoal.segments import Descriptor
from shoal.signaling.rooms.messages import (
    MemberId,
    RosterEntry,
    RosterMessage,
    SegmentMessage,
    SignalMessage,
    ToViewer,
)
from shoal.signaling.rooms.plan import FULL_WEIGHT, PLAN_VERSION, PlanMember
from shoal.signaling.rooms.upload_weights import upload_weights

ROSTER_INTERVAL_S = 0.25
"""roster changes are gathered this long: at most four `room`s a second"""
UPLINK_VALID_S = 60.0
"""older measurements expire, so that a member that lost its slices because of one gets some
again"""


@dataclass(frozen=True)
class Outgoing:
    """One message for some members. A list of these is in the order of sending."""

    to: tuple[MemberId, ...]
    message: ToViewer


@dataclass
class MemberState:
    """What a room knows of one member."""

    variant: int
    sharing: bool
    upload: bool = True
    """whether it sends to others"""
    ready: bool = False
    unreachable: frozenset[MemberId] = frozenset()
    """members that it says it has no link to"""
    known_epoch: int = 0
    """epoch of the last `room` that it was sent"""
    upload_weight: int = FULL_WEIGHT
    """quarters of a full share that its uplink can carry"""
    uplink_bps: float | None = None
    """measured throughput of its busy uplink, bit/s; None: not measured"""
    uplink_at: float = 0.0

    @property
    def weight(self) -> int:
        """Its upload weight in quarters; 0 if it does not upload."""
        return self.upload_weight if self.upload else 0

    def current_uplink_bps(self, now: float) -> float | None:
        """Return its measured uplink, bit/s; None if there is no recent measurement."""
        return self.uplink_bps if now - self.uplink_at <= UPLINK_VALID_S else None


class Room:
    """One room. Times are seconds of a monotonic clock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch = 0
        self._origin_shares: dict[int, int] = {}
        """by variant, the thirty-seconds that the members' uplinks cannot carry"""
        self._members: dict[MemberId, MemberState] = {}
        self._roster_sent_at = float("-inf")

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member: MemberId) -> bool:
        return member in self._members

    def count_on_variant(self, variant: int) -> int:
        """Return how many members share this variant."""
        return sum(state.sharing and state.variant == variant for state in self._members.values())

    @property
    def members(self) -> tuple[MemberId, ...]:
        """All members, in the order of joining."""
        return tuple(self._members)

    def plan_input(self, variant: int) -> tuple[list[PlanMember], int]:
        """Return the members that can own slices of a variant, and the origin share, for `plan`."""
        plan_members = [
            PlanMember(member, state.weight, state.unreachable)
            for member, state in sorted(self._members.items())
            if state.ready and state.sharing and state.variant == variant
        ]
        return plan_members, self._origin_share

    def member_state(self, member: MemberId) -> MemberState:
        """Return the state of a member; raises KeyError."""
        return self._members[member]

    @property
    def due(self) -> float | None:
        """When `tick` must be called to send a `room`; None: everybody has the current one."""
        if any(state.known_epoch < self.epoch for state in self._members.values()):
            return self._roster_sent_at + ROSTER_INTERVAL_S
        return None

    def join(
        self,
        member: MemberId,
        state: MemberState,
        *,
        stream: Stream,
        recent: Sequence[Descriptor],
        now: float,
    ) -> list[Outgoing]:
        """Add a new member; `recent` are the newest segments of its variant, oldest first.

        A member that does not share gets every message, but is in no roster.
        """
        if member in self._members:
            return []
        self._add(member, state)
        first_messages = [
            Outgoing((member,), stream),
            *self._send_roster((member,)),
            *(Outgoing((member,), SegmentMessage(self.epoch, descriptor)) for descriptor in recent),
        ]
        return first_messages + self.tick(now)

    def remove_members(self, members: Collection[MemberId]) -> dict[MemberId, MemberState]:
        """Remove members that relocate; sends nothing yet."""
        states = {member: self._members.pop(member) for member in members}
        self.epoch += 1
        return states

    def add_members(self, states: Mapping[MemberId, MemberState], now: float) -> list[Outgoing]:
        """Add members that come from another room."""
        for member, state in states.items():
            state.known_epoch = 0
            self._add(member, state)
        return self._send_roster_to_all(now)

    def leave(self, member: MemberId, now: float) -> list[Outgoing]:
        """Remove a member."""
        state = self._members.pop(member, None)
        if state is None or not state.sharing:
            return []
        self.epoch += 1
        return self.tick(now)

    def set_ready(self, member: MemberId, now: float) -> list[Outgoing]:
        """Let a member own slices from the next segment on."""
        state = self._members.get(member)
        if state is None or state.ready or not state.sharing:
            return []
        state.ready = True
        self.epoch += 1
        return self.tick(now)

    def switch_variant(self, member: MemberId, variant: int, now: float) -> list[Outgoing]:
        """Note that a member plays another variant from now on, and shares that one."""
        state = self._members.get(member)
        if state is None or state.variant == variant:
            return []
        state.variant = variant
        self.epoch += 1
        return self.tick(now)

    def set_unreachable(
        self, member: MemberId, unreachable: Collection[MemberId], now: float
    ) -> list[Outgoing]:
        """Note which members a member has no link to."""
        state = self._members.get(member)
        present = frozenset(unreachable) & self._members.keys() - {member}
        if state is None or state.unreachable == present:
            return []
        state.unreachable = present
        self.epoch += 1
        return self.tick(now)

    def set_uplink(self, member: MemberId, bps: float, now: float) -> None:
        """Note a member's measured uplink, bit/s; the next segment's plan uses it."""
        state = self._members.get(member)
        if state is not None:
            state.uplink_bps, state.uplink_at = bps, now

    def publish(self, descriptor: Descriptor, now: float) -> list[Outgoing]:
        """Announce a segment, after the roster that its plan uses."""
        if not self._members:
            return []
        self._update_upload_weights(descriptor, now)
        all_members = tuple(self._members)
        return [
            *self._send_roster_to_all(now),
            Outgoing(all_members, SegmentMessage(self.epoch, descriptor)),
        ]

    def set_stream(self, stream: Stream) -> list[Outgoing]:
        """Tell all members what is on air."""
        return [Outgoing(tuple(self._members), stream)] if self._members else []

    def forward_signal(self, sender: MemberId, to: MemberId, data: msgspec.Raw) -> list[Outgoing]:
        """Forward `data` from one member of this room to another; drop it for anyone else."""
        if sender == to or sender not in self._members or to not in self._members:
            return []
        return [Outgoing((to,), SignalMessage(sender, data))]

    def tick(self, now: float) -> list[Outgoing]:
        """Send the `room`s that are due."""
        due = self.due
        return self._send_roster_to_all(now) if due is not None and due <= now else []

    @property
    def _origin_share(self) -> int:
        return max(self._origin_shares.values(), default=0)

    def _add(self, member: MemberId, state: MemberState) -> None:
        self._members[member] = state
        self.epoch += state.sharing

    def _update_upload_weights(self, descriptor: Descriptor, now: float) -> None:
        """Set upload weights for a variant by what each member's uplink can carry."""
        variant = descriptor.variant
        viewers = [
            state for state in self._members.values() if state.sharing and state.variant == variant
        ]
        owners = [state for state in viewers if state.ready and state.upload]
        rate = 8 * descriptor.size / descriptor.duration if descriptor.duration > 0 else 0.0
        weights = upload_weights(
            [state.current_uplink_bps(now) for state in owners], len(viewers), rate
        )
        previous = (
            self._origin_shares.get(variant, 0),
            tuple(state.upload_weight for state in owners),
        )
        if previous == (weights.origin_share, weights.weights):
            return
        self._origin_shares[variant] = weights.origin_share
        for state, weight in zip(owners, weights.weights, strict=True):
            state.upload_weight = weight
        self.epoch += 1

    def _send_roster_to_all(self, now: float) -> list[Outgoing]:
        behind = tuple(
            member for member, state in self._members.items() if state.known_epoch < self.epoch
        )
        if behind:
            self._roster_sent_at = now
        return self._send_roster(behind)

    def _send_roster(self, members: Sequence[MemberId]) -> list[Outgoing]:
        if not members:
            return []
        sharing = [(member, state) for member, state in self._members.items() if state.sharing]
        positions = {member: position for position, (member, _) in enumerate(sharing)}
        entries = tuple(
            RosterEntry(
                member,
                state.variant,
                state.ready,
                state.weight,
                tuple(
                    sorted(positions[other] for other in state.unreachable if other in positions)
                ),
            )
            for member, state in sharing
        )
        for member in members:
            self._members[member].known_epoch = self.epoch
        return [
            Outgoing(
                (member,),
                RosterMessage(
                    room=self.name,
                    plan_version=PLAN_VERSION,
                    epoch=self.epoch,
                    you=member,
                    origin_share=self._origin_share,
                    members=entries,
                ),
            )
            for member in members
        ]
